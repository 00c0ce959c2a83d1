// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "loop.h"
#include "recognizer.h"

#include <functional>

namespace sistest {

/* A session's recogniser, run in place or, if it is slow, on the workers: one
 * block at a time, so that sessions take turns. Used on the loop's thread,
 * where it reports too. */
class Ear : public std::enable_shared_from_this<Ear>
{
public:
  struct Report
  {
    Findings findings;
    Milliseconds position{}; /* of the audio that was heard */
    bool finished = false;
  };
  using Heard = std::function<void (Report)>;

  Ear (Loop &loop, Workers &workers, const RecognizerKind &kind,
       const Listening &listening, Heard heard);

  void feed (std::vector<std::int16_t> samples);
  void finish ();
  /* No more reports, whatever is still to be heard. */
  void drop ();

  /* Audio that waits to be heard. */
  Milliseconds backlog () const { return time_of (fed_ - heard_samples_); }
  bool busy () const { return heard_ && busy_; }

private:
  struct Block
  {
    std::vector<std::int16_t> samples;
    bool last = false;
  };

  void take (Block block);
  void hear_next ();
  Report hear (const Block &block);
  void report (Report report, std::size_t samples);
  Milliseconds time_of (std::int64_t samples) const
  {
    return Milliseconds (samples / (rate_ / 1000));
  }

  Loop &loop_;
  Workers &workers_;
  const int rate_;
  const bool slow_;
  const std::unique_ptr<Recognizer> recognizer_;
  Heard heard_; /* empty once dropped */
  std::int64_t fed_ = 0, heard_samples_ = 0;
  bool busy_ = false;

  std::mutex mutex_; /* of what follows */
  std::deque<Block> blocks_;
  bool scheduled_ = false;
};

} // namespace sistest

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ear.h"

#include <algorithm>
#include <utility>

namespace sistest {

Ear::Ear (Loop &loop, Workers &workers, const RecognizerKind &kind,
          const Listening &listening, Heard heard)
    : loop_ (loop), workers_ (workers), rate_ (listening.rate),
      slow_ (kind.slow), recognizer_ (kind.make (listening)),
      heard_ (std::move (heard))
{
}

void
Ear::feed (std::vector<std::int16_t> samples)
{
  fed_ += static_cast<std::int64_t> (samples.size ());
  if (!slow_) {
    take ({ std::move (samples) });
    return;
  }
  const auto step = static_cast<std::size_t> (rate_ / 10);
  for (std::size_t i = 0; i < samples.size (); i += step) {
    const auto begin = samples.begin () + static_cast<std::ptrdiff_t> (i);
    const auto count = std::min (step, samples.size () - i);
    take ({ { begin, begin + static_cast<std::ptrdiff_t> (count) } });
  }
}

void
Ear::finish ()
{
  busy_ = true;
  take ({ {}, true });
}

void
Ear::drop ()
{
  heard_ = nullptr;
  const std::lock_guard lock (mutex_);
  blocks_.clear ();
}

void
Ear::take (Block block)
{
  if (!slow_) {
    report (hear (block), block.samples.size ());
    return;
  }
  const std::lock_guard lock (mutex_);
  blocks_.push_back (std::move (block));
  if (!std::exchange (scheduled_, true))
    workers_.post ([self = shared_from_this ()] { self->hear_next (); });
}

/* On a worker; never on two at once. */
void
Ear::hear_next ()
{
  Block block;
  {
    const std::lock_guard lock (mutex_);
    if (blocks_.empty ()) {
      scheduled_ = false;
      return;
    }
    block = std::move (blocks_.front ());
    blocks_.pop_front ();
  }
  const auto self = shared_from_this ();
  loop_.post ([self, report = hear (block), size = block.samples.size ()] {
    self->report (report, size);
  });
  workers_.post ([self] { self->hear_next (); });
}

Ear::Report
Ear::hear (const Block &block)
{
  Report report;
  if (block.last)
    recognizer_->finish (report.findings);
  else
    recognizer_->feed (block.samples, report.findings);
  report.finished = block.last;
  return report;
}

void
Ear::report (Report report, std::size_t samples)
{
  heard_samples_ += static_cast<std::int64_t> (samples);
  if (!heard_)
    return;
  report.position = time_of (heard_samples_);
  if (report.finished)
    busy_ = false;
  const auto self = shared_from_this (); /* it may drop us */
  const Heard heard = heard_;
  heard (std::move (report));
}

} // namespace sistest

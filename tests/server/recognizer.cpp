// SPDX-License-Identifier: LGPL-2.1-or-later
#include "recognizer.h"

#include <algorithm>
#include <utility>

namespace sistest {

namespace {

constexpr Milliseconds interim_step{ 500 };

std::string
text_of (const std::vector<Word> &words)
{
  std::string text;
  for (const Word &word : words)
    text.append (text.empty () ? 0 : 1, ' ').append (word.text);
  return text;
}

class SentenceRecognizer final : public Recognizer
{
public:
  explicit SentenceRecognizer (const Listening &listening)
      : interims_ (listening.interims), per_ms_ (listening.rate / 1000)
  {
  }

  void feed (std::span<const std::int16_t> samples, Findings &findings) override
  {
    findings.speech |= samples_ == 0 && !samples.empty ();
    samples_ += static_cast<std::int64_t> (samples.size ());
    const Milliseconds now (samples_ / per_ms_);
    while (start_ + length <= now)
      report (start_ + length, true, findings);
    if (interims_ && now - shown_ >= interim_step && now > start_) {
      shown_ = now;
      report (now, false, findings);
    }
  }

  void finish (Findings &findings) override
  {
    const Milliseconds now (samples_ / per_ms_);
    if (now > start_)
      report (now, true, findings);
  }

private:
  void report (Milliseconds end, bool is_final, Findings &findings)
  {
    const auto middle = start_ + (end - start_) / 2;
    const auto number = std::to_string (start_ / length);
    findings.segments.push_back ({ .start = start_,
                                   .end = end,
                                   .is_final = is_final,
                                   .text = "sentence " + number,
                                   .score = is_final ? 1.0 : 0.0,
                                   .words = { { "sentence", start_, middle },
                                              { number, middle, end } } });
    if (is_final)
      start_ = shown_ = end;
  }

  static constexpr Milliseconds length{ 2000 };
  const bool interims_;
  const int per_ms_;
  std::int64_t samples_ = 0;
  Milliseconds start_{}, shown_{};
};

class IndexRecognizer final : public Recognizer
{
public:
  IndexRecognizer (const Listening &listening, int words_per_sentence)
      : interims_ (listening.interims), per_ms_ (listening.rate / 1000),
        block_samples_ (listening.rate / 100),
        sentence_blocks_ (words_per_sentence * word_blocks)
  {
  }

  void feed (std::span<const std::int16_t> samples, Findings &findings) override
  {
    findings.speech |= samples_ == 0 && !samples.empty ();
    for (const std::int16_t sample : samples)
      take (sample & 0x7FFF, findings);
    if (interims_ && now () - shown_ >= interim_step && !words_.empty ()) {
      shown_ = now ();
      report (false, findings);
    }
  }

  void finish (Findings &findings) override { end_sentence (findings); }

private:
  void take (int block, Findings &findings)
  {
    if (block != block_) {
      if (block / word_blocks != block_ / word_blocks || block < block_)
        word_start_ = now ();
      if (block / sentence_blocks_ != block_ / sentence_blocks_)
        end_sentence (findings);
      block_ = block;
      heard_ = 0;
    }
    samples_ += 1;
    heard_ += 1;
    const bool last = block % word_blocks == word_blocks - 1;
    if (last && heard_ == block_samples_ / 2 + 1)
      words_.push_back (
          { "w" + std::to_string (block / word_blocks), word_start_, {} });
    if (last && heard_ > block_samples_ / 2 && !words_.empty ())
      words_.back ().end = now ();
    /* The sentence's last sample: no need to wait for the next one. */
    if (heard_ == block_samples_
        && block % sentence_blocks_ == sentence_blocks_ - 1)
      end_sentence (findings);
  }

  void end_sentence (Findings &findings)
  {
    if (!words_.empty ())
      report (true, findings);
    words_.clear ();
    start_ = word_start_ = shown_ = now ();
  }

  void report (bool is_final, Findings &findings)
  {
    findings.segments.push_back ({ .start = start_,
                                   .end = now (),
                                   .is_final = is_final,
                                   .text = text_of (words_),
                                   .score = is_final ? 1.0 : 0.0,
                                   .words = words_ });
  }

  Milliseconds now () const { return Milliseconds (samples_ / per_ms_); }

  static constexpr int word_blocks = 10;
  const bool interims_;
  const int per_ms_, block_samples_, sentence_blocks_;
  std::int64_t samples_ = 0;
  int block_ = -1, heard_ = 0; /* the block that goes on, and its samples */
  Milliseconds start_{}, word_start_{}, shown_{};
  std::vector<Word> words_;
};

class SilentRecognizer final : public Recognizer
{
public:
  void feed (std::span<const std::int16_t>, Findings &) override {}
  void finish (Findings &) override {}
};

} // namespace

RecognizerKind
sentence_recognizer ()
{
  return { [] (const Listening &listening) -> std::unique_ptr<Recognizer> {
    return std::make_unique<SentenceRecognizer> (listening);
  } };
}

RecognizerKind
index_recognizer (int words_per_sentence)
{
  return { [=] (const Listening &listening) -> std::unique_ptr<Recognizer> {
    return std::make_unique<IndexRecognizer> (listening, words_per_sentence);
  } };
}

RecognizerKind
silent_recognizer ()
{
  return { [] (const Listening &) -> std::unique_ptr<Recognizer> {
    return std::make_unique<SilentRecognizer> ();
  } };
}

} // namespace sistest

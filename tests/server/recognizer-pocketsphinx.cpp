// SPDX-License-Identifier: LGPL-2.1-or-later
#include "endpointer.h"
#include "recognizer.h"

#include <algorithm>
#include <cmath>
#include <glib.h>
#include <mutex>
#include <pocketsphinx.h>
#include <sphinxbase/err.h>
#include <sphinxbase/feat.h>
#include <utility>

namespace sistest {

namespace {

constexpr std::size_t frame_samples = 160; /* 10 ms at 16 kHz */
constexpr int frame_ms = 10;

struct DecoderFree
{
  void operator() (ps_decoder_t *decoder) const { ps_free (decoder); }
};
using DecoderPtr = std::unique_ptr<ps_decoder_t, DecoderFree>;

/* Loading a decoder takes a third of a second, so they are kept. Each comes out
 * as if newly loaded: the same audio gives the same text. */
class DecoderPool
{
public:
  DecoderPtr take ()
  {
    const std::lock_guard lock (mutex_);
    DecoderPtr decoder;
    if (idle_.empty ()) {
      decoder.reset (load ());
    } else {
      decoder = std::move (idle_.back ());
      idle_.pop_back ();
    }
    if (decoder) {
      adapt_anew (decoder.get ());
      ps_start_stream (decoder.get ());
    }
    return decoder;
  }

  void give (DecoderPtr decoder)
  {
    const std::lock_guard lock (mutex_);
    idle_.push_back (std::move (decoder));
  }

private:
  ps_decoder_t *load ()
  {
    err_set_logfp (nullptr);
    const std::string model = MODEL_DIR "/en-us/";
    const std::string hmm = model + "en-us", lm = model + "en-us.lm.bin",
                      dict = model + "cmudict-en-us.dict";
    cmd_ln_t *config = cmd_ln_init (
        nullptr, ps_args (), TRUE, "-hmm", hmm.c_str (), "-lm", lm.c_str (),
        "-dict", dict.c_str (), "-remove_silence", "no", nullptr);
    if (config == nullptr)
      return nullptr;
    ps_decoder_t *decoder = ps_init (config);
    cmd_ln_free_r (config);
    return decoder;
  }

  /* The cepstral mean is what a decoder learns from its speakers. */
  void adapt_anew (ps_decoder_t *decoder)
  {
    cmn_t *cmn = ps_get_feat (decoder)->cmn_struct;
    if (cmn == nullptr)
      return;
    if (initial_mean_.empty ()) {
      initial_mean_.resize (cmn->veclen);
      cmn_live_get (cmn, initial_mean_.data ());
    }
    cmn_live_set (cmn, initial_mean_.data ());
  }

  std::mutex mutex_;
  std::vector<DecoderPtr> idle_;
  std::vector<mfcc_t> initial_mean_;
};

/* "<s>", "[NOISE]" and "++UM++" are not words; "the(2)" is "the". */
std::string
plain_word (const char *word)
{
  if (word == nullptr || word[0] == '<' || word[0] == '[' || word[0] == '+')
    return {};
  std::string plain (word);
  plain.resize (std::min (plain.find ('('), plain.size ()));
  for (char &c : plain)
    c = g_ascii_tolower (c);
  return plain;
}

class SphinxRecognizer final : public Recognizer
{
public:
  SphinxRecognizer (std::shared_ptr<DecoderPool> pool,
                    const Listening &listening)
      : pool_ (std::move (pool)), listening_ (listening)
  {
  }

  ~SphinxRecognizer () override
  {
    if (!decoder_)
      return;
    if (speaking_)
      ps_end_utt (decoder_.get ());
    pool_->give (std::move (decoder_));
  }

  void feed (std::span<const std::int16_t> samples, Findings &findings) override
  {
    for (const std::int16_t sample : samples) {
      if (listening_.rate == 8000)
        pending_.push_back (static_cast<std::int16_t> ((last_ + sample) / 2));
      pending_.push_back (sample);
      last_ = sample;
    }
    std::span<const std::int16_t> rest (pending_);
    for (; rest.size () >= frame_samples; rest = rest.subspan (frame_samples))
      take_frame (rest.first (frame_samples), findings);
    pending_.erase (pending_.begin (), pending_.end () - std::ssize (rest));
  }

  void finish (Findings &findings) override
  {
    if (speaking_)
      end_utterance (findings);
  }

private:
  void take_frame (std::span<const std::int16_t> frame, Findings &findings)
  {
    const bool begins = endpointer_.take (frame);
    frames_ += 1;
    if (speaking_) {
      decode (frame);
    } else {
      before_.insert (before_.end (), frame.begin (), frame.end ());
      if (before_.size () > lead_frames * frame_samples)
        before_.erase (before_.begin (), before_.begin () + frame_samples);
      if (begins)
        begin_utterance (findings);
      return;
    }

    const Milliseconds silence (endpointer_.silent_frames () * frame_ms);
    if (silence >= std::max (listening_.vad_tail, shortest_tail)
        || now () - start_ >= listening_.max_sentence)
      end_utterance (findings);
    else if (listening_.interims && now () - shown_ >= interim_step)
      report_interim (findings);
  }

  void begin_utterance (Findings &findings)
  {
    if (!decoder_)
      decoder_ = pool_->take ();
    if (!decoder_)
      return;
    findings.speech = true;
    speaking_ = true;
    start_ = shown_ = now () - Milliseconds (before_.size () / per_ms);
    ps_start_utt (decoder_.get ());
    decode (before_);
    before_.clear ();
  }

  void decode (std::span<const std::int16_t> samples)
  {
    ps_process_raw (decoder_.get (), samples.data (), samples.size (), FALSE,
                    FALSE);
  }

  /* An utterance in which no word was found is a final without a text. */
  void end_utterance (Findings &findings)
  {
    ps_end_utt (decoder_.get ());
    speaking_ = false;
    Segment segment = hypothesis ();
    const auto count = std::max<std::size_t> (segment.words.size (), 1);
    const double posterior = logmath_exp (ps_get_logmath (decoder_.get ()),
                                          ps_get_prob (decoder_.get ()));
    segment.score = std::clamp (
        std::pow (posterior, 1.0 / static_cast<double> (count)), 0.0, 1.0);
    segment.is_final = true;
    findings.segments.push_back (std::move (segment));
    shown_text_.clear ();
  }

  void report_interim (Findings &findings)
  {
    shown_ = now ();
    Segment segment = hypothesis ();
    if (segment.text.empty () || segment.text == shown_text_)
      return;
    shown_text_ = segment.text;
    findings.segments.push_back (std::move (segment));
  }

  Segment hypothesis ()
  {
    const Milliseconds silence (endpointer_.silent_frames () * frame_ms);
    Segment segment{ .start = start_,
                     .end = now () - std::max (silence - tail, Milliseconds ()),
                     .is_final = false };
    for (ps_seg_t *seg = ps_seg_iter (decoder_.get ()); seg != nullptr;
         seg = ps_seg_next (seg)) {
      const std::string word = plain_word (ps_seg_word (seg));
      int first = 0, last = 0;
      ps_seg_frames (seg, &first, &last);
      if (word.empty ())
        continue;
      segment.text.append (segment.text.empty () ? 0 : 1, ' ').append (word);
      const auto end = start_ + Milliseconds ((last + 1) * frame_ms);
      segment.words.push_back (
          { word, start_ + Milliseconds (first * frame_ms), end });
      segment.end = std::max (segment.end, std::min (end, now ()));
    }
    return segment;
  }

  Milliseconds now () const { return Milliseconds (frames_ * frame_ms); }

  static constexpr int per_ms = 16;
  static constexpr std::size_t lead_frames = 30; /* kept from before speech */
  static constexpr Milliseconds tail{ 100 };     /* counted in after speech */
  static constexpr Milliseconds interim_step{ 300 }, shortest_tail{ 100 };

  const std::shared_ptr<DecoderPool> pool_;
  const Listening listening_;
  DecoderPtr decoder_; /* from the first speech to the session's end */
  Endpointer endpointer_;
  std::int16_t last_ = 0;
  std::vector<std::int16_t> pending_; /* less than a frame */
  std::vector<std::int16_t> before_;  /* the last 300 ms without speech */
  std::int64_t frames_ = 0;
  bool speaking_ = false;
  Milliseconds start_{}, shown_{};
  std::string shown_text_;
};

} // namespace

RecognizerKind
pocketsphinx_recognizer (std::string &reason)
{
  auto pool = std::make_shared<DecoderPool> ();
  DecoderPtr first = pool->take ();
  if (!first) {
    reason = "cannot load the en-us model from " MODEL_DIR;
    return {};
  }
  pool->give (std::move (first));
  return { [pool] (const Listening &listening) -> std::unique_ptr<Recognizer> {
            return std::make_unique<SphinxRecognizer> (pool, listening);
          },
           true };
}

} // namespace sistest

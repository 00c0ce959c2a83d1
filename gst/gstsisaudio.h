// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/session.h"

#include <gst/audio/audio.h>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sis {

/* What decides how audio becomes the service's. */
struct AudioSettings
{
  std::string model;
  std::vector<float> mix_matrix; /* one value a channel; empty: none */

  int rate () const noexcept; /* of the model: `_8k_` or 16 kHz */
};

/* Every caps that can be taken, for a pad template. */
#define SIS_AUDIO_CAPS                                                         \
  "audio/x-mulaw, rate = (int) { 8000, 16000 }, channels = (int) 1; "          \
  "audio/x-alaw, rate = (int) { 8000, 16000 }, channels = (int) 1; "           \
  "audio/x-raw, format = (string) " GST_AUDIO_FORMATS_ALL ", "                 \
  "rate = (int) [ 1, 1536000 ], channels = (int) [ 1, 64 ], "                  \
  "layout = (string) { interleaved, non-interleaved }"

/* The same, with the fitting compressed ones first. */
GstCaps *service_caps (const AudioSettings &settings);

/* What tells how long audio is, where it is not converted. */
struct Frames
{
  int rate = 0; /* 0: not known */
  gsize bytes = 1;

  Nanoseconds length_of (GstBuffer *buffer) const;
};
Frames frames_of (const GstCaps *caps);

/* From the pipeline's buffers to the service's samples: converts, counts, and
 * says what time it is at which sample. Sample n of the output lies exactly
 * where input time n / rate lies: what the resampler holds back is drained and
 * cut, never shifted. Streaming thread. */
class AudioInput
{
public:
  explicit AudioInput (const AudioSettings &settings);
  ~AudioInput ();
  AudioInput (const AudioInput &) = delete;
  AudioInput &operator= (const AudioInput &) = delete;

  /* New caps. What the converter still holds of the old ones is kept for
   * take_tail (). An error is the user's to read, kind Format or Settings. */
  std::optional<Failure> set_caps (GstCaps *caps);

  /* Worth a warning once: the channels have no positions, two were taken. */
  bool guesses_channels () const noexcept { return guesses_channels_; }

  /* The audio of `buffer`, which stays on loan until release (), and when it
   * plays; nothing if all of it lies outside the segment, a Failure if it does
   * not hold what its caps say. */
  std::variant<std::monostate, AudioBlock, Failure>
  convert (GstBuffer *buffer, const GstSegment &segment);
  void release ();

  /* Its own, or that of what comes next. */
  GstClockTime timestamp_of (GstBuffer *buffer,
                             const GstSegment &segment) const;

  /* The audio that is missing before `buffer`, in samples of the service: a
   * jump of more than 40 ms against the end of the buffer before. Less is
   * jitter, and never adds up. */
  Position hole_before (GstBuffer *buffer, const GstSegment &segment) const;

  Nanoseconds length_of (Position samples) const noexcept
  {
    return samples_to_time (samples, format_.rate);
  }
  static Position samples_of (const AudioBlock &block) noexcept
  {
    return Position (block.bytes.size () / block.format.sample_bytes ());
  }

  /* Silence, in place of the stream's next samples: at most a second of
   * `samples`, to be called again for the rest. On loan, too. */
  AudioBlock fill (Position samples);

  /* What the converter holds back at the end of the stream; on loan, too. */
  AudioBlock drain ();

  /* What set_caps () kept. */
  AudioBlock take_tail ();

  /* A new segment: audio without timestamps starts anew. */
  void forget_time () { next_timestamp_ = GST_CLOCK_TIME_NONE; }

  /* A gap: audio without timestamps goes on behind it. */
  void skip_to (GstClockTime timestamp) { next_timestamp_ = timestamp; }

  /* Forgets what is held; positions go on. */
  void flush ();

private:
  std::optional<Failure> set_compressed (const GstStructure *structure);
  std::optional<Failure> set_raw (GstCaps *caps);
  std::vector<float> mix_for (const GstAudioInfo &info) const;
  Anchor anchor_at (GstClockTime timestamp, const GstSegment &segment) const;
  AudioBlock emit (std::span<const std::byte> bytes);
  void planes_of (const GstAudioBuffer &mapped, gsize skip, gsize frames,
                  gpointer *planes);
  void convert_frames (gpointer *planes, gsize frames);
  void drain_converter ();
  void restart_converter ();
  void rebase ();
  Position samples_for (guint64 frames) const noexcept;

  const AudioSettings settings_;
  AudioFormat format_;
  int input_rate_ = 0;      /* 0: no caps yet */
  GstAudioInfo info_;       /* of raw audio */
  GstAudioInfo mixed_info_; /* of the channels that are mixed, the first ones */
  std::vector<float> mix_;
  GstAudioConverter *converter_ = nullptr; /* null: bytes pass as they are */
  bool has_converted_ = false;
  bool guesses_channels_ = false;

  /* Since base_: */
  Position base_ = 0;
  guint64 frames_in_ = 0;
  Position samples_out_ = 0;

  GstClockTime next_timestamp_ = GST_CLOCK_TIME_NONE;
  std::optional<Nanoseconds> running_end_; /* of the last buffer */
  std::vector<std::byte> narrowed_, converted_, tail_;
  AudioBlock tail_block_;
  std::optional<GstAudioBuffer> mapped_; /* as long as its bytes are on loan */
};

} // namespace sis

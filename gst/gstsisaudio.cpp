// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsisaudio.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace sis {
namespace {

/* Of one buffer's audio, between buffers. */
constexpr std::size_t kept_capacity = 32 << 10;

constexpr int max_channels = 64;
constexpr Nanoseconds max_jitter = std::chrono::milliseconds (40);

Failure
format_failure (std::string text)
{
  return Failure{ .kind = FailureKind::Format, .text = std::move (text) };
}

void
append_compressed (GstCaps *caps, int rate)
{
  for (const char *name : { "audio/x-mulaw", "audio/x-alaw" })
    gst_caps_append_structure (
        caps, gst_structure_new (name, "rate", G_TYPE_INT, rate, "channels",
                                 G_TYPE_INT, 1, nullptr));
}

GstAudioConverter *
make_converter (GstAudioInfo in, const AudioFormat &format,
                const std::vector<float> &mix)
{
  GstAudioInfo out;
  gst_audio_info_init (&out);
  gst_audio_info_set_format (&out, GST_AUDIO_FORMAT_S16LE, format.rate, 1,
                             nullptr);
  GstStructure *config = nullptr;
  if (!mix.empty ()) {
    GValue matrix = G_VALUE_INIT;
    GValue row = G_VALUE_INIT;
    gst_value_array_init (&matrix, 1);
    gst_value_array_init (&row, guint (mix.size ()));
    for (const float factor : mix) {
      GValue value = G_VALUE_INIT;
      g_value_init (&value, G_TYPE_FLOAT);
      g_value_set_float (&value, factor);
      gst_value_array_append_and_take_value (&row, &value);
    }
    gst_value_array_append_and_take_value (&matrix, &row);
    config = gst_structure_new_empty ("config");
    gst_structure_take_value (config, GST_AUDIO_CONVERTER_OPT_MIX_MATRIX,
                              &matrix);
  }
  return gst_audio_converter_new (GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out,
                                  config);
}

bool
info_from_caps (GstAudioInfo *info, const GstCaps *caps)
{
  if (gst_audio_info_from_caps (info, caps))
    return true;
  /* More than two channels, and nothing said of where they are. */
  g_autoptr (GstCaps) unpositioned = gst_caps_copy (caps);
  gst_caps_set_simple (unpositioned, "channel-mask", GST_TYPE_BITMASK,
                       guint64 (0), nullptr);
  return gst_audio_info_from_caps (info, unpositioned);
}

bool
is_mappable (GstBuffer *buffer, const GstAudioInfo &info)
{
  const GstAudioMeta *meta = gst_buffer_get_audio_meta (buffer);
  if (meta == nullptr)
    return GST_AUDIO_INFO_LAYOUT (&info) == GST_AUDIO_LAYOUT_INTERLEAVED;
  return gst_audio_info_is_equal (&meta->info, &info)
         && meta->samples <= gst_buffer_get_size (buffer)
                                 / gsize (GST_AUDIO_INFO_BPF (&info));
}

/* Frames of a buffer that lie within the segment. */
struct Clip
{
  guint64 skip = 0, frames = 0;
  GstClockTime timestamp = 0; /* of the first that is left */
};

Clip
clip_to_segment (const GstSegment &segment, GstClockTime timestamp,
                 guint64 frames, int rate)
{
  const GstClockTime stop
      = timestamp + gst_util_uint64_scale (frames, GST_SECOND, rate);
  guint64 first = 0;
  guint64 last = 0;
  if (segment.format != GST_FORMAT_TIME)
    return { 0, frames, timestamp };
  if (!gst_segment_clip (&segment, GST_FORMAT_TIME, timestamp, stop, &first,
                         &last))
    return {};
  const guint64 skip
      = gst_util_uint64_scale_ceil (first - timestamp, rate, GST_SECOND);
  const guint64 cut = gst_util_uint64_scale (stop - last, rate, GST_SECOND);
  if (skip + cut >= frames)
    return {};
  const GstClockTime start
      = timestamp + gst_util_uint64_scale (skip, GST_SECOND, rate);
  return { skip, frames - skip - cut, std::max (start, first) };
}

} // namespace

int
AudioSettings::rate () const noexcept
{
  return model.find ("_8k_") != std::string::npos ? 8000 : 16000;
}

GstCaps *
service_caps (const AudioSettings &settings)
{
  const int rate = settings.rate ();
  GstCaps *caps = gst_caps_new_empty ();
  append_compressed (caps, rate);
  /* What needs no conversion, so that a source that can choose takes it. */
  gst_caps_append_structure (
      caps,
      gst_structure_new ("audio/x-raw", "format", G_TYPE_STRING, "S16LE",
                         "rate", G_TYPE_INT, rate, "channels", G_TYPE_INT, 1,
                         "layout", G_TYPE_STRING, "interleaved", nullptr));
  g_autoptr (GstCaps) raw = gst_caps_from_string (
      "audio/x-raw, format = (string) " GST_AUDIO_FORMATS_ALL
      ", rate = (int) [ 1, 1536000 ], channels = (int) [ 1, 64 ], "
      "layout = (string) { interleaved, non-interleaved }");
  gst_caps_append (caps, static_cast<GstCaps *> (g_steal_pointer (&raw)));
  append_compressed (caps, rate == 8000 ? 16000 : 8000);
  return caps;
}

AudioInput::AudioInput (const AudioSettings &settings) : settings_ (settings)
{
  gst_audio_info_init (&info_);
  gst_audio_info_init (&mixed_info_);
}

AudioInput::~AudioInput ()
{
  release ();
  g_clear_pointer (&converter_, gst_audio_converter_free);
}

std::optional<Failure>
AudioInput::set_caps (GstCaps *caps)
{
  drain_converter ();
  if (!converted_.empty ()) {
    tail_ = converted_;
    tail_block_ = emit (tail_);
    converted_.clear ();
  }
  release ();
  rebase ();
  g_clear_pointer (&converter_, gst_audio_converter_free);
  guesses_channels_ = false;
  input_rate_ = 0;

  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  return gst_structure_has_name (structure, "audio/x-raw")
             ? set_raw (caps)
             : set_compressed (structure);
}

std::optional<Failure>
AudioInput::set_compressed (const GstStructure *structure)
{
  int rate = 0;
  gst_structure_get_int (structure, "rate", &rate);
  const int wanted = settings_.rate ();
  if (rate != wanted)
    return format_failure ("The audio has " + std::to_string (rate)
                           + " Hz, but the model " + settings_.model + " takes "
                           + std::to_string (wanted)
                           + " Hz. Choose another model, or convert the audio "
                             "to audio/x-raw.");
  format_.encoding = gst_structure_has_name (structure, "audio/x-mulaw")
                         ? Encoding::Mulaw
                         : Encoding::Alaw;
  format_.rate = input_rate_ = rate;
  /* One byte a frame, as far as mapping is concerned. */
  gst_audio_info_set_format (&info_, GST_AUDIO_FORMAT_U8, rate, 1, nullptr);
  mixed_info_ = info_;
  return std::nullopt;
}

std::vector<float>
AudioInput::mix_for (const GstAudioInfo &info) const
{
  if (!settings_.mix_matrix.empty ())
    return settings_.mix_matrix;
  if (!GST_AUDIO_INFO_IS_UNPOSITIONED (&info))
    return {};
  std::vector<float> mix (std::size_t (GST_AUDIO_INFO_CHANNELS (&info)), 0.0F);
  if (mix.size () == 1)
    mix[0] = 1.0F;
  else
    mix[0] = mix[1] = 0.5F;
  return mix;
}

std::optional<Failure>
AudioInput::set_raw (GstCaps *caps)
{
  if (!info_from_caps (&info_, caps)
      || GST_AUDIO_INFO_CHANNELS (&info_) > max_channels)
    return format_failure ("The audio format is not understood.");
  const int channels = GST_AUDIO_INFO_CHANNELS (&info_);
  const std::size_t columns = settings_.mix_matrix.size ();
  if (columns != 0 && columns != std::size_t (channels))
    return Failure{ .kind = FailureKind::Settings,
                    .text = "mix-matrix has " + std::to_string (columns)
                            + " values, but the audio has "
                            + std::to_string (channels) + " channels." };

  format_ = AudioFormat{ Encoding::Pcm16, settings_.rate () };
  input_rate_ = GST_AUDIO_INFO_RATE (&info_);
  mix_ = mix_for (info_);
  const bool is_unmixed = channels == 1 && (columns == 0 || mix_[0] == 1.0F);
  const bool passes
      = is_unmixed && GST_AUDIO_INFO_FORMAT (&info_) == GST_AUDIO_FORMAT_S16LE
        && input_rate_ == format_.rate;
  mixed_info_ = info_;
  if (passes)
    return std::nullopt;

  if (!mix_.empty ()) {
    while (mix_.size () > 1 && mix_.back () == 0.0F)
      mix_.pop_back ();
    gst_audio_info_set_format (&mixed_info_, GST_AUDIO_INFO_FORMAT (&info_),
                               input_rate_, int (mix_.size ()), nullptr);
    mixed_info_.layout = info_.layout;
  }
  /* libgstaudio mixes fewer than 64 channels. */
  if (GST_AUDIO_INFO_CHANNELS (&mixed_info_) < max_channels)
    converter_ = make_converter (mixed_info_, format_, mix_);
  has_converted_ = false;
  if (converter_ == nullptr) {
    input_rate_ = 0;
    return format_failure ("The audio cannot be converted to the service's "
                           "format. Put audioconvert in front, or set "
                           "mix-matrix.");
  }
  guesses_channels_
      = columns == 0 && channels > 2 && GST_AUDIO_INFO_IS_UNPOSITIONED (&info_);
  return std::nullopt;
}

Position
AudioInput::samples_for (guint64 frames) const noexcept
{
  return Position (gst_util_uint64_scale_round (frames, guint64 (format_.rate),
                                                guint64 (input_rate_)));
}

GstClockTime
AudioInput::timestamp_of (GstBuffer *buffer, const GstSegment &segment) const
{
  const bool is_time = segment.format == GST_FORMAT_TIME;
  /* What lies three centuries ahead is no time. */
  if (is_time && GST_BUFFER_PTS (buffer) < G_MAXINT64)
    return GST_BUFFER_PTS (buffer);
  if (GST_CLOCK_TIME_IS_VALID (next_timestamp_))
    return next_timestamp_;
  return is_time ? segment.start : 0;
}

Anchor
AudioInput::anchor_at (GstClockTime timestamp, const GstSegment &segment) const
{
  Anchor anchor{ .position = base_ + samples_for (frames_in_) };
  anchor.times = { Nanoseconds (timestamp), Nanoseconds (timestamp),
                   Nanoseconds (timestamp) };
  if (segment.format != GST_FORMAT_TIME)
    return anchor;
  const guint64 stream
      = gst_segment_to_stream_time (&segment, GST_FORMAT_TIME, timestamp);
  anchor.times.stream_time
      = GST_CLOCK_TIME_IS_VALID (stream) ? Nanoseconds (stream) : no_time;
  guint64 running = 0;
  const int sign = gst_segment_to_running_time_full (&segment, GST_FORMAT_TIME,
                                                     timestamp, &running);
  anchor.times.running_time
      = sign == 0 ? no_time : Nanoseconds (gint64 (running)) * sign;
  anchor.running_slope = 1.0 / segment.rate;
  anchor.stream_slope = segment.applied_rate;
  return anchor;
}

/* `bytes` are the stream's next samples. */
AudioBlock
AudioInput::emit (std::span<const std::byte> bytes)
{
  const AudioBlock block{ .format = format_,
                          .first = base_ + samples_out_,
                          .bytes = bytes };
  samples_out_ += Position (bytes.size () / format_.sample_bytes ());
  return block;
}

/* Appends to converted_. Without planes: silence. */
void
AudioInput::convert_frames (gpointer *planes, gsize frames)
{
  const gsize samples = gst_audio_converter_get_out_frames (converter_, frames);
  const gsize before = converted_.size ();
  /* Asked for nothing at its very first call, the converter would crash; asked
   * for one sample too many then, it leaves that one undefined. */
  const gsize asked = has_converted_ ? samples : std::max<gsize> (samples, 1);
  has_converted_ = true;
  converted_.resize (before + asked * format_.sample_bytes ());
  gpointer out[] = { converted_.data () + before };
  gst_audio_converter_samples (converter_, GST_AUDIO_CONVERTER_FLAG_NONE,
                               planes, frames, out, asked);
  converted_.resize (before + samples * format_.sample_bytes ());
}

/* Where the frames begin, with the channels that are mixed. */
void
AudioInput::planes_of (const GstAudioBuffer &mapped, gsize skip, gsize frames,
                       gpointer *planes)
{
  const bool is_planar
      = GST_AUDIO_BUFFER_LAYOUT (&mapped) == GST_AUDIO_LAYOUT_NON_INTERLEAVED;
  const gsize frame = gsize (GST_AUDIO_BUFFER_BPF (&mapped));
  const gsize sample = frame / gsize (GST_AUDIO_BUFFER_CHANNELS (&mapped));
  const gsize stride = is_planar ? sample : frame;
  for (int i = 0; i < GST_AUDIO_BUFFER_N_PLANES (&mapped); i++)
    planes[i] = static_cast<std::byte *> (mapped.planes[i]) + skip * stride;
  const gsize wanted = gsize (GST_AUDIO_INFO_CHANNELS (&mixed_info_)) * sample;
  if (is_planar || wanted == stride)
    return;
  narrowed_.resize (frames * wanted);
  const auto *from = static_cast<const std::byte *> (planes[0]);
  for (gsize i = 0; i < frames; i++)
    std::memcpy (narrowed_.data () + i * wanted, from + i * stride, wanted);
  planes[0] = narrowed_.data ();
}

std::variant<std::monostate, AudioBlock, Failure>
AudioInput::convert (GstBuffer *buffer, const GstSegment &segment)
{
  release ();
  if (input_rate_ == 0)
    return format_failure ("Audio came before its format.");
  GstAudioBuffer mapped;
  if (!is_mappable (buffer, info_)
      || !gst_audio_buffer_map (&mapped, &info_, buffer, GST_MAP_READ))
    return format_failure ("A buffer does not hold what its caps say.");

  const guint64 frames = GST_AUDIO_BUFFER_N_SAMPLES (&mapped);
  const GstClockTime timestamp = timestamp_of (buffer, segment);
  next_timestamp_
      = timestamp + gst_util_uint64_scale (frames, GST_SECOND, input_rate_);
  const Clip clip = clip_to_segment (segment, timestamp, frames, input_rate_);
  if (clip.frames == 0) {
    gst_audio_buffer_unmap (&mapped);
    return std::monostate{};
  }

  const Anchor anchor = anchor_at (clip.timestamp, segment);
  frames_in_ += clip.frames;
  const double length
      = double (clip.frames) / input_rate_ * anchor.running_slope;
  running_end_.reset ();
  if (anchor.times.running_time != no_time)
    running_end_
        = anchor.times.running_time + Nanoseconds (std::llround (length * 1e9));
  gpointer planes[max_channels];
  planes_of (mapped, clip.skip, clip.frames, planes);
  if (converter_ == nullptr) {
    AudioBlock audio = emit ({ static_cast<std::byte *> (planes[0]),
                               clip.frames * format_.sample_bytes () });
    audio.anchor = anchor;
    mapped_ = mapped;
    /* Up to eight planes live in the structure itself. */
    mapped_->planes = mapped_->priv_planes_arr;
    mapped_->map_infos = mapped_->priv_map_infos_arr;
    return audio;
  }
  convert_frames (planes, clip.frames);
  gst_audio_buffer_unmap (&mapped);
  AudioBlock audio = emit (converted_);
  audio.anchor = anchor;
  return audio;
}

void
AudioInput::release ()
{
  if (mapped_)
    gst_audio_buffer_unmap (&*mapped_);
  mapped_.reset ();
  for (auto *bytes : { &narrowed_, &converted_ }) {
    bytes->clear ();
    if (bytes->capacity () > kept_capacity)
      bytes->shrink_to_fit ();
  }
}

/* Into converted_; cut to what the input's length stands for. */
void
AudioInput::drain_converter ()
{
  release ();
  if (converter_ == nullptr)
    return;
  const Position missing = samples_for (frames_in_) - samples_out_;
  const gsize wanted
      = std::size_t (std::max<Position> (0, missing)) * format_.sample_bytes ();
  const gsize step
      = std::max<gsize> (64, gst_audio_converter_get_max_latency (converter_));
  while (converted_.size () < wanted)
    convert_frames (nullptr, step);
  converted_.resize (wanted);
}

/* A reset would leave the resampler in the middle between two samples. */
void
AudioInput::restart_converter ()
{
  if (converter_ == nullptr)
    return;
  gst_audio_converter_free (converter_);
  converter_ = make_converter (mixed_info_, format_, mix_);
  has_converted_ = false;
}

AudioBlock
AudioInput::drain ()
{
  drain_converter ();
  const AudioBlock block = emit (converted_);
  restart_converter ();
  rebase ();
  return block;
}

Position
AudioInput::hole_before (GstBuffer *buffer, const GstSegment &segment) const
{
  if (!running_end_ || segment.format != GST_FORMAT_TIME)
    return 0;
  const guint64 running = gst_segment_to_running_time (
      &segment, GST_FORMAT_TIME, timestamp_of (buffer, segment));
  if (!GST_CLOCK_TIME_IS_VALID (running))
    return 0;
  const Nanoseconds missing = Nanoseconds (running) - *running_end_;
  if (missing <= max_jitter)
    return 0;
  return time_to_samples (
      Nanoseconds (std::llround (double (missing.count ()) * segment.rate)),
      format_.rate);
}

AudioBlock
AudioInput::fill (Position samples)
{
  release ();
  const auto n = std::size_t (std::min<Position> (samples, format_.rate));
  converted_.assign (n * format_.sample_bytes (), format_.silence ());
  AudioBlock block = emit (converted_);
  block.kind = AudioStore::Kind::Silence;
  rebase ();
  return block;
}

AudioBlock
AudioInput::take_tail ()
{
  return std::exchange (tail_block_, AudioBlock{});
}

void
AudioInput::flush ()
{
  release ();
  restart_converter ();
  tail_block_ = AudioBlock{};
  running_end_.reset ();
  rebase ();
}

/* What was converted so far is all there is of it. */
void
AudioInput::rebase ()
{
  base_ += samples_out_;
  samples_out_ = 0;
  frames_in_ = 0;
}

Frames
frames_of (const GstCaps *caps)
{
  Frames frames;
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  GstAudioInfo info;
  gst_structure_get_int (structure, "rate", &frames.rate);
  if (gst_structure_has_name (structure, "audio/x-raw")
      && info_from_caps (&info, caps))
    frames.bytes = gsize (GST_AUDIO_INFO_BPF (&info));
  return frames;
}

Nanoseconds
Frames::length_of (GstBuffer *buffer) const
{
  if (rate > 0)
    return samples_to_time (Position (gst_buffer_get_size (buffer) / bytes),
                            rate);
  return GST_BUFFER_DURATION_IS_VALID (buffer)
             ? Nanoseconds (GST_BUFFER_DURATION (buffer))
             : Nanoseconds::zero ();
}

} // namespace sis

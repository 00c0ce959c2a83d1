// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tone.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sischeck {
namespace {

constexpr double pulse = 2 * std::numbers::pi * 997.0;

} // namespace

GstAudioInfo
audio_info (GstAudioFormat format, int rate, int channels)
{
  GstAudioInfo info;
  GstAudioChannelPosition positions[64];
  std::fill_n (positions, 64, GST_AUDIO_CHANNEL_POSITION_NONE);
  if (channels <= 8)
    fail_unless (gst_audio_channel_positions_from_mask (
        channels, gst_audio_channel_get_fallback_mask (channels), positions));
  gst_audio_info_init (&info);
  gst_audio_info_set_format (&info, format, rate, channels, positions);
  return info;
}

GstAudioInfo
unpositioned (GstAudioInfo info)
{
  info.flags = GST_AUDIO_FLAG_UNPOSITIONED;
  std::fill_n (info.position, info.channels, GST_AUDIO_CHANNEL_POSITION_NONE);
  return info;
}

GstAudioInfo
planar (GstAudioInfo info)
{
  info.layout = GST_AUDIO_LAYOUT_NON_INTERLEAVED;
  return info;
}

GstBuffer *
tone_buffer (const GstAudioInfo &info, const std::vector<double> &amplitudes,
             std::size_t first, std::size_t n)
{
  const bool is_planar = info.layout == GST_AUDIO_LAYOUT_NON_INTERLEAVED;
  const std::size_t channels = amplitudes.size ();
  std::vector<double> values (n * channels);
  for (std::size_t i = 0; i < values.size (); i++) {
    const std::size_t frame = is_planar ? i % n : i / channels;
    const std::size_t channel = is_planar ? i / n : i % channels;
    values[i] = amplitudes[channel]
                * std::sin (pulse * double (first + frame) / info.rate);
  }

  /* Value by value: libgstaudio itself takes fewer than 64 channels. */
  GstAudioInfo in, out;
  gst_audio_info_init (&in);
  gst_audio_info_set_format (&in, GST_AUDIO_FORMAT_F64, info.rate, 1, nullptr);
  gst_audio_info_init (&out);
  gst_audio_info_set_format (&out, GST_AUDIO_INFO_FORMAT (&info), info.rate, 1,
                             nullptr);
  GstAudioConverter *converter = gst_audio_converter_new (
      GST_AUDIO_CONVERTER_FLAG_NONE, &in, &out, nullptr);
  std::vector<std::byte> bytes (n * std::size_t (info.bpf));
  gpointer from[] = { values.data () };
  gpointer to[] = { bytes.data () };
  fail_unless (
      gst_audio_converter_samples (converter, GST_AUDIO_CONVERTER_FLAG_NONE,
                                   from, values.size (), to, values.size ()));
  gst_audio_converter_free (converter);
  GstBuffer *buffer = gst_buffer_new_memdup (bytes.data (), bytes.size ());
  if (is_planar)
    gst_buffer_add_audio_meta (buffer, &info, n, nullptr);
  return buffer;
}

void
push_buffer (Pipeline &pipeline, GstBuffer *buffer, GstClockTime timestamp)
{
  GST_BUFFER_PTS (buffer) = timestamp;
  GstFlowReturn flow = GST_FLOW_OK;
  g_signal_emit_by_name (pipeline.source (), "push-buffer", buffer, &flow);
  gst_buffer_unref (buffer);
}

void
set_source_caps (Pipeline &pipeline, const GstAudioInfo &info)
{
  g_autoptr (GstCaps) caps = gst_audio_info_to_caps (&info);
  g_object_set (pipeline.source (), "caps", caps, nullptr);
}

void
push_tone (Pipeline &pipeline, const GstAudioInfo &info,
           const std::vector<double> &amplitudes, std::size_t frames,
           GstClockTime timestamp)
{
  static constexpr std::size_t pieces[] = { 160, 1, 4801, 333, 7 };
  set_source_caps (pipeline, info);
  std::size_t at = 0;
  for (std::size_t i = 0; at < frames; i++) {
    const std::size_t n = std::min (pieces[i % 5], frames - at);
    push_buffer (pipeline, tone_buffer (info, amplitudes, at, n),
                 i == 0 ? timestamp : GST_CLOCK_TIME_NONE);
    at += n;
  }
}

std::size_t
resampled (std::size_t frames, int from, int to)
{
  return gst_util_uint64_scale_round (frames, guint64 (to), guint64 (from));
}

void
assert_tone (std::span<const std::int16_t> heard, double amplitude,
             double tolerance, int rate)
{
  const std::size_t edge = std::size_t (rate) / 100;
  fail_unless (heard.size () > 4 * edge, "%zu samples", heard.size ());
  /* Least squares for a sin + b cos. */
  double ss = 0, sc = 0, cc = 0, sx = 0, cx = 0;
  for (std::size_t i = edge; i < heard.size () - edge; i++) {
    const double s = std::sin (pulse * double (i) / rate);
    const double c = std::cos (pulse * double (i) / rate);
    const double x = heard[i] / 32768.0;
    ss += s * s, sc += s * c, cc += c * c, sx += s * x, cx += c * x;
  }
  const double a = (sx * cc - cx * sc) / (ss * cc - sc * sc);
  const double b = (cx * ss - sx * sc) / (ss * cc - sc * sc);
  const double fitted = std::hypot (a, b);
  fail_unless (std::abs (fitted - amplitude) < 0.005,
               "an amplitude of %g, not %g", fitted, amplitude);
  /* libgstaudio's resampler itself shifts by up to a quarter. */
  const double shift = std::atan2 (b, a) / pulse * rate;
  fail_unless (std::abs (shift) < 0.3, "shifted by %g samples", shift);
  double worst = 0;
  for (std::size_t i = edge; i < heard.size () - edge; i++) {
    const double phase = pulse * double (i) / rate;
    worst = std::max (worst, std::abs (heard[i] / 32768.0 - a * std::sin (phase)
                                       - b * std::cos (phase)));
  }
  fail_unless (worst < tolerance, "off by %g", worst);
}

} // namespace sischeck

// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "pipeline.h"

#include <gst/audio/audio.h>
#include <span>

/* A tone whose frequency, amplitude and phase are known, in any raw format. */
namespace sischeck {

/* Interleaved; up to eight channels have positions. */
GstAudioInfo audio_info (GstAudioFormat format, int rate, int channels);
GstAudioInfo unpositioned (GstAudioInfo info);
GstAudioInfo planar (GstAudioInfo info);

/* Frames `first` to `first + n`, with an amplitude a channel. */
GstBuffer *tone_buffer (const GstAudioInfo &info,
                        const std::vector<double> &amplitudes,
                        std::size_t first, std::size_t n);

/* Into an appsrc named "src"; takes the buffer. */
void push_buffer (Pipeline &pipeline, GstBuffer *buffer,
                  GstClockTime timestamp = GST_CLOCK_TIME_NONE);
void set_source_caps (Pipeline &pipeline, const GstAudioInfo &info);

/* The caps, and the tone from its beginning, in buffers of odd sizes of which
 * only the first may have a timestamp. */
void push_tone (Pipeline &pipeline, const GstAudioInfo &info,
                const std::vector<double> &amplitudes, std::size_t frames,
                GstClockTime timestamp = GST_CLOCK_TIME_NONE);

/* What `frames` become at the service. */
std::size_t resampled (std::size_t frames, int from, int to = 16000);

/* That this is the tone from its beginning: fits a sine of its frequency and
 * looks at amplitude, shift, and what is left over sample by sample. The ends
 * are left out, where the resampler sees silence. */
void assert_tone (std::span<const std::int16_t> heard, double amplitude,
                  double tolerance, int rate = 16000);

} // namespace sischeck

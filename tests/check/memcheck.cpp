// SPDX-License-Identifier: LGPL-2.1-or-later
/* GStreamer's resampler multiplies by zero what it has not filled yet, and
 * valgrind takes the product for something that is not known. This goes before
 * the resampler's function, as it is only here that the product can be told
 * from bytes that indeed nobody wrote. */
#include <gst/audio/audio.h>

#include <dlfcn.h>
#include <valgrind/memcheck.h>

#pragma GCC visibility push(default)
extern "C" {

gboolean
gst_audio_converter_samples (GstAudioConverter *converter,
                             GstAudioConverterFlags flags, gpointer in[],
                             gsize in_frames, gpointer out[], gsize out_frames)
{
  static const auto real
      = reinterpret_cast<decltype (&gst_audio_converter_samples)> (
          dlsym (dlopen ("libgstaudio-1.0.so.0", RTLD_LAZY),
                 "gst_audio_converter_samples"));
  /* A frame has a byte at least; how many, nobody tells. */
  if (in != nullptr)
    (void)VALGRIND_CHECK_MEM_IS_DEFINED (in[0], in_frames);
  const gboolean is_done
      = real (converter, flags, in, in_frames, out, out_frames);
  /* Mono S16: all that the service is sent. */
  if (is_done)
    (void)VALGRIND_MAKE_MEM_DEFINED (out[0], out_frames * sizeof (gint16));
  return is_done;
}

} // extern "C"
#pragma GCC visibility pop

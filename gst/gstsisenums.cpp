// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsisenums.h"

#include "gstsissettings.h"

static GType
register_once (gsize *type, const char *name, const GEnumValue *values)
{
  if (g_once_init_enter (type))
    g_once_init_leave (type, g_enum_register_static (name, values));
  return *type;
}

/**
 * GstSisMode:
 * @continue: many sentences, for as long as audio comes
 * @sentence: the service stops listening after a sentence
 * @short: one utterance of up to a minute, without voice detection
 *
 * The service's recognition modes.
 */
GType
gst_sis_mode_get_type (void)
{
  static const GEnumValue values[] = {
    { int (sis::Mode::Continue), "Many sentences, for as long as audio comes",
      "continue" },
    { int (sis::Mode::Sentence), "Single sentences, with voice events",
      "sentence" },
    { int (sis::Mode::Short),
      "One utterance of up to a minute, without voice detection", "short" },
    { 0, nullptr, nullptr },
  };
  static gsize type = 0;
  return register_once (&type, "GstSisMode", values);
}

/**
 * GstSisLeaky:
 * @auto: downstream if upstream is live, else no
 * @no: the pipeline waits
 * @upstream: new audio is dropped
 * @downstream: the oldest audio is dropped
 *
 * What happens when the audio that waits has reached `max-buffer-duration`.
 */
GType
gst_sis_leaky_get_type (void)
{
  static const GEnumValue values[] = {
    { int (sis::Leaky::Auto), "Downstream if upstream is live, else no",
      "auto" },
    { int (sis::Leaky::No), "The pipeline waits", "no" },
    { int (sis::Leaky::Upstream), "New audio is dropped", "upstream" },
    { int (sis::Leaky::Downstream), "The oldest audio is dropped",
      "downstream" },
    { 0, nullptr, nullptr },
  };
  static gsize type = 0;
  return register_once (&type, "GstSisLeaky", values);
}

/**
 * GstSisReconnect:
 * @never: any failure is an error
 * @transport: after a lost connection, and errors of a session that may pass
 * @always: also after a refused first connection, and fatal errors that may
 *   pass
 *
 * After which failures another attempt is made.
 */
GType
gst_sis_reconnect_get_type (void)
{
  static const GEnumValue values[] = {
    { int (sis::Reconnect::Never), "Any failure is an error", "never" },
    { int (sis::Reconnect::Transport),
      "After a lost connection, and errors of a session that may pass",
      "transport" },
    { int (sis::Reconnect::Always),
      "Also after a refused first connection, and fatal errors that may pass",
      "always" },
    { 0, nullptr, nullptr },
  };
  static gsize type = 0;
  return register_once (&type, "GstSisReconnect", values);
}

/**
 * GstSisOnError:
 * @stop: the element returns GST_FLOW_ERROR
 * @discard: the element takes audio and drops it
 *
 * What happens after an error was posted.
 */
GType
gst_sis_on_error_get_type (void)
{
  static const GEnumValue values[] = {
    { int (sis::OnError::Stop), "The stream stops with an error", "stop" },
    { int (sis::OnError::Discard), "Audio is taken and dropped", "discard" },
    { 0, nullptr, nullptr },
  };
  static gsize type = 0;
  return register_once (&type, "GstSisOnError", values);
}

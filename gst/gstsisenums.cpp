// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsisenums.h"

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
  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstSisMode", values));
  return type;
}

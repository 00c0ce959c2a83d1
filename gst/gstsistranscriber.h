// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SIS_TRANSCRIBER (gst_sis_transcriber_get_type ())
G_DECLARE_FINAL_TYPE (GstSisTranscriber, gst_sis_transcriber, GST,
                      SIS_TRANSCRIBER, GstElement)

GST_ELEMENT_REGISTER_DECLARE (sistranscriber)

G_END_DECLS

// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/base/gstbasesink.h>

G_BEGIN_DECLS

#define GST_TYPE_SIS_SINK (gst_sis_sink_get_type ())
G_DECLARE_FINAL_TYPE (GstSisSink, gst_sis_sink, GST, SIS_SINK, GstBaseSink)

GST_ELEMENT_REGISTER_DECLARE (sissink)

G_END_DECLS

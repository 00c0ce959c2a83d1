// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

/* GEnum types of the plugin's properties. The values are those of the C++
 * enumerations. */
#define GST_TYPE_SIS_MODE (gst_sis_mode_get_type ())
GType gst_sis_mode_get_type (void);

#define GST_TYPE_SIS_LEAKY (gst_sis_leaky_get_type ())
GType gst_sis_leaky_get_type (void);

#define GST_TYPE_SIS_RECONNECT (gst_sis_reconnect_get_type ())
GType gst_sis_reconnect_get_type (void);

#define GST_TYPE_SIS_ON_ERROR (gst_sis_on_error_get_type ())
GType gst_sis_on_error_get_type (void);

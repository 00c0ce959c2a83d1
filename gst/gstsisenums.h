// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/protocol/endpoint.h"

#include <gst/gst.h>

/* GEnum types of the plugin's properties. The values are those of the C++
 * enumerations. */
#define GST_TYPE_SIS_MODE (gst_sis_mode_get_type ())
GType gst_sis_mode_get_type (void);

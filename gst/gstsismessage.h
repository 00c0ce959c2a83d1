// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "sis/session.h"

#include <gst/gst.h>

/* What the session tells, as messages on the bus. Any thread; with no lock
 * held, as a sync handler may do anything. */
void gst_sis_post_event (GstElement *element, const sis::Event &event);

/* One failure as one error or warning with the details `sis-error`. */
void gst_sis_post_failure (GstElement *element, GstMessageType type,
                           const sis::Failure &failure);

/* The fields of the property `stats` that are the session's. */
void gst_sis_add_stats (GstStructure *structure, const sis::Stats &stats);

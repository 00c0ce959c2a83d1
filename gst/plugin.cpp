// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsissink.h"
#include "gstsistranscriber.h"

#include <gio/gio.h>

static gboolean
plugin_init (GstPlugin *plugin)
{
  /* Registered from the I/O thread and elsewhere at once, they race. */
  g_type_ensure (G_TYPE_SOCKET_CLIENT);
  g_type_ensure (G_TYPE_NETWORK_ADDRESS);
  g_type_ensure (G_TYPE_PROXY_ADDRESS);
  g_type_ensure (G_TYPE_TCP_CONNECTION);
  g_type_ensure (G_TYPE_TLS_BACKEND);

  return GST_ELEMENT_REGISTER (sissink, plugin)
         && GST_ELEMENT_REGISTER (sistranscriber, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, sis,
                   "Live transcripts from Huawei Cloud's Speech Interaction "
                   "Service",
                   plugin_init, PACKAGE_VERSION, "LGPL", "gst-sis",
                   PACKAGE_ORIGIN)

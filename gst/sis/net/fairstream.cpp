// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/fairstream.h"

#include "sis/protocol/frames.h"
#include "sis/protocol/message.h"

#include <algorithm>
#include <libsoup/soup.h>

namespace {

/* Some thousand of the smallest frames; libsoup reads 1 KiB at a time. What is
 * read with a ping in it is the last of its turn. */
constexpr gsize bytes_a_turn = 8192;

/* Many for a peer that asks whether somebody is there; few for libsoup, which
 * walks along the answers in its queue to add another. */
constexpr std::uint64_t max_unanswered = 1000;

/* A longer message than sis::max_message_length is passed on, to be counted and
 * left out. */
constexpr std::uint64_t max_unfinished = 16 * sis::max_message_length;

} // namespace

#define SIS_TYPE_FAIR_OUTPUT (sis_fair_output_get_type ())
G_DECLARE_FINAL_TYPE (SisFairOutput, sis_fair_output, SIS, FAIR_OUTPUT,
                      GFilterOutputStream)

struct _SisFairOutput
{
  GFilterOutputStream parent;
  sis::FrameCounter *frames; /* made in init, deleted in finalize */
};

static void sis_fair_output_iface_init (GPollableOutputStreamInterface *iface);

G_DEFINE_TYPE_WITH_CODE (SisFairOutput, sis_fair_output,
                         G_TYPE_FILTER_OUTPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_OUTPUT_STREAM,
                                                sis_fair_output_iface_init))

static GPollableOutputStream *
base_of (GPollableOutputStream *stream)
{
  return G_POLLABLE_OUTPUT_STREAM (
      g_filter_output_stream_get_base_stream (G_FILTER_OUTPUT_STREAM (stream)));
}

static gssize
sis_fair_output_write_nonblocking (GPollableOutputStream *stream,
                                   const void *buffer, gsize size,
                                   GError **error) noexcept
{
  const gssize count = g_pollable_output_stream_write_nonblocking (
      base_of (stream), buffer, size, nullptr, error);
  if (count > 0)
    SIS_FAIR_OUTPUT (stream)->frames->add (
        { static_cast<const std::byte *> (buffer), std::size_t (count) });
  return count;
}

/* Whoever waits does not look at which stream it was. */
static GSource *
sis_fair_output_create_source (GPollableOutputStream *stream,
                               GCancellable *cancellable) noexcept
{
  return g_pollable_output_stream_create_source (base_of (stream), cancellable);
}

static gboolean
sis_fair_output_is_writable (GPollableOutputStream *stream) noexcept
{
  return g_pollable_output_stream_is_writable (base_of (stream));
}

static void
sis_fair_output_iface_init (GPollableOutputStreamInterface *iface)
{
  iface->is_writable = sis_fair_output_is_writable;
  iface->create_source = sis_fair_output_create_source;
  iface->write_nonblocking = sis_fair_output_write_nonblocking;
}

static void
sis_fair_output_finalize (GObject *object)
{
  delete SIS_FAIR_OUTPUT (object)->frames;
  G_OBJECT_CLASS (sis_fair_output_parent_class)->finalize (object);
}

static void
sis_fair_output_init (SisFairOutput *self)
{
  self->frames = new sis::FrameCounter;
}

static void
sis_fair_output_class_init (SisFairOutputClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = sis_fair_output_finalize;
}

namespace {

/* Made in init, deleted in finalize. */
struct Reading
{
  sis::FrameCounter frames;
  sis::GObjectPtr<SisFairOutput> output; /* where the answers go */
  gsize left = bytes_a_turn;             /* of this turn's share */
  gsize left_in_all = G_MAXSIZE;         /* then it is at its end */
  bool may_have_more = false;            /* where no poll tells of it */
};

} // namespace

#define SIS_TYPE_FAIR_INPUT (sis_fair_input_get_type ())
G_DECLARE_FINAL_TYPE (SisFairInput, sis_fair_input, SIS, FAIR_INPUT,
                      GFilterInputStream)

struct _SisFairInput
{
  GFilterInputStream parent;
  Reading *reading;
};

static void sis_fair_input_iface_init (GPollableInputStreamInterface *iface);

G_DEFINE_TYPE_WITH_CODE (SisFairInput, sis_fair_input,
                         G_TYPE_FILTER_INPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM,
                                                sis_fair_input_iface_init))

static GPollableInputStream *
base_of (GPollableInputStream *stream)
{
  return G_POLLABLE_INPUT_STREAM (
      g_filter_input_stream_get_base_stream (G_FILTER_INPUT_STREAM (stream)));
}

/* Null: it may go on. */
static const char *
excess (const Reading &reading)
{
  if (reading.frames.unfinished () > max_unfinished)
    return "a message without an end";
  if (reading.frames.pings ()
      > reading.output->frames->pongs () + max_unanswered)
    return "more pings than can be answered";
  return nullptr;
}

static gssize
sis_fair_input_read_nonblocking (GPollableInputStream *stream, void *buffer,
                                 gsize size, GError **error) noexcept
{
  Reading &reading = *SIS_FAIR_INPUT (stream)->reading;
  if (reading.left_in_all == 0)
    return 0;
  if (reading.left == 0) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK,
                         "not before its next turn");
    return -1;
  }
  const gssize count = g_pollable_input_stream_read_nonblocking (
      base_of (stream), buffer,
      std::min ({ size, reading.left, reading.left_in_all }), nullptr, error);
  reading.may_have_more = count > 0;
  if (count <= 0)
    return count;
  reading.left -= gsize (count);
  reading.left_in_all -= gsize (count);
  const std::uint64_t pings = reading.frames.pings ();
  reading.frames.add (
      { static_cast<const std::byte *> (buffer), std::size_t (count) });
  /* Each is answered with a system call of its own. */
  if (reading.frames.pings () != pings)
    reading.left = 0;
  if (const char *problem = excess (reading)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, problem);
    return -1;
  }
  return count;
}

/* libsoup makes a new source after each turn. It goes behind what is finite: a
 * source that is always ready lets none of a lower priority run. What TLS has
 * decrypted and not given yet the source of its stream does not see. */
static GSource *
sis_fair_input_create_source (GPollableInputStream *stream,
                              GCancellable *cancellable) noexcept
{
  Reading &reading = *SIS_FAIR_INPUT (stream)->reading;
  const sis::GSourcePtr base (
      reading.may_have_more || reading.left_in_all == 0
          ? g_timeout_source_new (0)
          : g_pollable_input_stream_create_source (base_of (stream), nullptr));
  GSource *source
      = g_pollable_source_new_full (stream, base.get (), cancellable);
  g_source_set_priority (source, G_PRIORITY_DEFAULT + 1);
  reading.left = bytes_a_turn;
  return source;
}

static gboolean
sis_fair_input_is_readable (GPollableInputStream *stream) noexcept
{
  const Reading &reading = *SIS_FAIR_INPUT (stream)->reading;
  return reading.left_in_all == 0
         || (reading.left > 0
             && (reading.may_have_more
                 || g_pollable_input_stream_is_readable (base_of (stream))));
}

static void
sis_fair_input_iface_init (GPollableInputStreamInterface *iface)
{
  iface->is_readable = sis_fair_input_is_readable;
  iface->create_source = sis_fair_input_create_source;
  iface->read_nonblocking = sis_fair_input_read_nonblocking;
}

static void
sis_fair_input_finalize (GObject *object)
{
  delete SIS_FAIR_INPUT (object)->reading;
  G_OBJECT_CLASS (sis_fair_input_parent_class)->finalize (object);
}

static void
sis_fair_input_init (SisFairInput *self)
{
  self->reading = new Reading;
}

static void
sis_fair_input_class_init (SisFairInputClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = sis_fair_input_finalize;
}

#define SIS_TYPE_FAIR_STREAM (sis_fair_stream_get_type ())
G_DECLARE_FINAL_TYPE (SisFairStream, sis_fair_stream, SIS, FAIR_STREAM,
                      GIOStream)

struct _SisFairStream
{
  GIOStream parent;
  GIOStream *base;
  GInputStream *input;
  GOutputStream *output;
  SoupWebsocketConnection *opener; /* would close the base stream */
};

G_DEFINE_TYPE (SisFairStream, sis_fair_stream, G_TYPE_IO_STREAM)

static GInputStream *
sis_fair_stream_get_input_stream (GIOStream *stream)
{
  return SIS_FAIR_STREAM (stream)->input;
}

static GOutputStream *
sis_fair_stream_get_output_stream (GIOStream *stream)
{
  return SIS_FAIR_STREAM (stream)->output;
}

static gboolean
sis_fair_stream_close (GIOStream *stream, GCancellable *cancellable,
                       GError **error)
{
  return g_io_stream_close (SIS_FAIR_STREAM (stream)->base, cancellable, error);
}

static void
closed (GObject *base, GAsyncResult *result, void *data) noexcept
{
  g_autoptr (GTask) task = G_TASK (data);
  GError *error = nullptr;
  if (g_io_stream_close_finish (G_IO_STREAM (base), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
sis_fair_stream_close_async (GIOStream *stream, int priority,
                             GCancellable *cancellable,
                             GAsyncReadyCallback callback, void *data)
{
  GTask *task = g_task_new (stream, cancellable, callback, data);
  g_io_stream_close_async (SIS_FAIR_STREAM (stream)->base, priority,
                           cancellable, closed, task);
}

static gboolean
sis_fair_stream_close_finish (GIOStream *, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* GIOStream's own dispose closes, and so still needs all of it. */
static void
sis_fair_stream_dispose (GObject *object)
{
  SisFairStream *self = SIS_FAIR_STREAM (object);
  G_OBJECT_CLASS (sis_fair_stream_parent_class)->dispose (object);
  g_clear_object (&self->input);
  g_clear_object (&self->output);
  g_clear_object (&self->opener);
}

static void
sis_fair_stream_finalize (GObject *object)
{
  g_clear_object (&SIS_FAIR_STREAM (object)->base);
  G_OBJECT_CLASS (sis_fair_stream_parent_class)->finalize (object);
}

static void
sis_fair_stream_init (SisFairStream *)
{
}

static void
sis_fair_stream_class_init (SisFairStreamClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = sis_fair_stream_dispose;
  G_OBJECT_CLASS (klass)->finalize = sis_fair_stream_finalize;
  auto *io_stream_class = G_IO_STREAM_CLASS (klass);
  io_stream_class->get_input_stream = sis_fair_stream_get_input_stream;
  io_stream_class->get_output_stream = sis_fair_stream_get_output_stream;
  io_stream_class->close_fn = sis_fair_stream_close;
  io_stream_class->close_async = sis_fair_stream_close_async;
  io_stream_class->close_finish = sis_fair_stream_close_finish;
}

/* Takes over the WebSocket. */
static GIOStream *
sis_fair_stream_new (SoupWebsocketConnection *opener)
{
  auto *self = SIS_FAIR_STREAM (g_object_new (SIS_TYPE_FAIR_STREAM, nullptr));
  self->opener = opener;
  self->base = G_IO_STREAM (
      g_object_ref (soup_websocket_connection_get_io_stream (opener)));
  self->input
      = G_INPUT_STREAM (g_object_new (SIS_TYPE_FAIR_INPUT, "base-stream",
                                      g_io_stream_get_input_stream (self->base),
                                      "close-base-stream", FALSE, nullptr));
  self->output = G_OUTPUT_STREAM (
      g_object_new (SIS_TYPE_FAIR_OUTPUT, "base-stream",
                    g_io_stream_get_output_stream (self->base),
                    "close-base-stream", FALSE, nullptr));
  SIS_FAIR_INPUT (self->input)
      ->reading->output.reset (SIS_FAIR_OUTPUT (g_object_ref (self->output)));
  return G_IO_STREAM (self);
}

namespace sis {

/* libsoup has no way to open one on a stream of ours, but makes one of any
 * stream. The opener's only source waits for what there is to read; without
 * that it does nothing until it is released. */
GObjectPtr<SoupWebsocketConnection>
read_fairly (GObjectPtr<SoupWebsocketConnection> websocket)
{
  SoupWebsocketConnection *opener = websocket.get ();
  GSource *reader = g_main_context_find_source_by_user_data (
      g_main_context_get_thread_default (), opener);
  if (reader == nullptr) {
    g_warning ("this libsoup is not known: a peer may hold up all others");
    return websocket;
  }
  g_source_destroy (reader);
  const GObjectPtr<GIOStream> stream (
      sis_fair_stream_new (websocket.release ()));
  return GObjectPtr<SoupWebsocketConnection> (soup_websocket_connection_new (
      stream.get (), soup_websocket_connection_get_uri (opener),
      SOUP_WEBSOCKET_CONNECTION_CLIENT,
      soup_websocket_connection_get_origin (opener),
      soup_websocket_connection_get_protocol (opener), nullptr));
}

void
end_reading (SoupWebsocketConnection *websocket, std::size_t after) noexcept
{
  GIOStream *stream = soup_websocket_connection_get_io_stream (websocket);
  if (SIS_IS_FAIR_STREAM (stream))
    SIS_FAIR_INPUT (SIS_FAIR_STREAM (stream)->input)->reading->left_in_all
        = after;
}

} // namespace sis

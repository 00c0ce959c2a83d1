// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/* Last: its macro `fail` is a name in the standard library. */
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

/* A pipeline under test, and everything its bus said. */
namespace sischeck {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

struct MessageUnref
{
  void operator() (GstMessage *message) const { gst_message_unref (message); }
};
using MessagePtr = std::unique_ptr<GstMessage, MessageUnref>;

/* Longer where everything is slower: under valgrind, say. */
Milliseconds patience ();

/* Not where what is freed is kept, or memory has a shadow: under sanitizers and
 * valgrind. */
bool measures_memory ();

class Pipeline
{
public:
  /* What gst-launch-1.0 would take; the sink must be named "sink". */
  explicit Pipeline (const std::string &launch);
  ~Pipeline ();
  Pipeline (const Pipeline &) = delete;
  Pipeline &operator= (const Pipeline &) = delete;

  GstElement *get () const { return pipeline_; }
  GstElement *sink () const { return sink_; }
  GstElement *source () const { return source_; } /* "src", or null */

  GstStateChangeReturn set_state (GstState state);
  void play (); /* to PLAYING, without waiting */

  /* Pops messages until one satisfies the predicate; that one is kept, as all
   * are, in messages (). Null after the limit. */
  using Predicate = std::function<bool (GstMessage *)>;
  GstMessage *wait_for (const Predicate &predicate,
                        Milliseconds limit = patience ());
  GstMessage *wait_for (GstMessageType types, Milliseconds limit = patience ());
  GstMessage *wait_for_element_message (const char *name,
                                        Milliseconds limit = patience ());
  bool wait_for_eos ();

  /* Takes what is on the bus now. */
  void collect ();
  const std::vector<MessagePtr> &messages () const { return messages_; }

  /* Structures of the element messages of that name so far. */
  std::vector<const GstStructure *> named (const char *name) const;
  /* Errors (or warnings) that the sink posted so far. */
  std::vector<GstMessage *> from_sink (GstMessageType type) const;
  /* The texts of all finals, joined by a blank. */
  std::string finals () const;

  /* Into an appsrc named "src". */
  void push (const std::vector<std::int16_t> &samples,
             GstClockTime timestamp = GST_CLOCK_TIME_NONE);
  void push_bytes (const void *data, gsize size,
                   GstClockTime timestamp = GST_CLOCK_TIME_NONE);
  void end ();

private:
  GstElement *pipeline_, *sink_, *source_;
  GstBus *bus_;
  std::vector<MessagePtr> messages_;
};

/* gstcheck's own keeps a pointer into temporaries. */
void assert_same_text (const std::string &actual, const std::string &expected);

/* Fields of a structure; the test fails if they are not there. */
std::string text_of (const GstStructure *structure, const char *field);
guint uint_of (const GstStructure *structure, const char *field);
gint64 int64_of (const GstStructure *structure, const char *field);
guint64 time_of (const GstStructure *structure, const char *field);
bool flag_of (const GstStructure *structure, const char *field);

/* An error or warning, taken apart. */
struct Problem
{
  explicit Problem (GstMessage *message);
  bool is (GQuark domain_, gint code_) const
  {
    return domain == domain_ && code == code_;
  }
  GQuark domain;
  gint code;
  std::string text, debug;
  const GstStructure *details; /* of the message */
};

/* The one error of the sink, once "src" has failed of it, too. The pipeline is
 * in NULL then. */
Problem only_error_of_sink (Pipeline &pipeline);

/* Audio in which each sample's value is the index of its 10 ms. */
std::vector<std::int16_t> indexed_audio (std::size_t first, std::size_t count,
                                         int rate = 16000);

/* Such audio in buffers of odd sizes, without timestamps but the first. */
void push_in_pieces (Pipeline &pipeline, std::size_t samples,
                     GstClockTime first = 0);

/* At 16 kHz. */
GstClockTime samples_to_ns (std::size_t samples);

/* Threads and open files of this process. */
struct Census
{
  std::size_t threads, files;
  bool operator== (const Census &) const = default;
};
Census take_census ();
/* Until the process is back at what it was, or false. */
bool wait_for_census (const Census &wanted);
/* Until so many I/O threads are left, or false. */
bool wait_for_io_threads (std::size_t count);

/* Raw appsrc in S16LE mono at 16 kHz in front of a sink with `properties`. */
std::string launch_line (const std::string &url,
                         const std::string &properties = {});

} // namespace sischeck

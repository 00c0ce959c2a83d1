// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "pipeline.h"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>

/* The stream of text that comes out of a transcriber. */
namespace sischeck {

/* A sistranscriber named "sink", as Pipeline wants it. */
inline std::string
transcriber (const std::string &url, const std::string &properties = {})
{
  return "sistranscriber name=sink project-id=demo reconnect-delay=1000000 "
         "max-reconnect-delay=1000000 endpoint="
         + url + " " + properties + " ";
}

/* Behind raw audio of an appsrc, and what follows. */
inline std::string
text_line (const std::string &url, const std::string &properties = {},
           const std::string &rest
           = "fakesink name=text sync=false async=false")
{
  return "appsrc name=src format=time max-bytes=0 caps=audio/x-raw,"
         "format=S16LE,rate=16000,channels=1,layout=interleaved ! "
         + transcriber (url, properties) + " ! " + rest;
}

/* All that goes out of the source pad of "sink", in its order. */
class TextLog
{
public:
  struct Item
  {
    GstEventType type; /* GST_EVENT_UNKNOWN: text */
    std::string text;  /* the name of another event's structure */
    /* Running times in ms of a text or a gap; `pts` in its segment. */
    gint64 start = 0, end = 0, pts = 0;
  };
  using Items = std::vector<Item>;
  using Predicate = std::function<bool (const Items &)>;

  explicit TextLog (const Pipeline &pipeline)
      : pad_ (gst_element_get_static_pad (pipeline.sink (), "src"))
  {
    gst_segment_init (&record_->segment, GST_FORMAT_TIME);
    probe_ = gst_pad_add_probe (
        pad_,
        GstPadProbeType (GST_PAD_PROBE_TYPE_BUFFER
                         | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM
                         | GST_PAD_PROBE_TYPE_EVENT_FLUSH),
        [] (GstPad *, GstPadProbeInfo *info, gpointer record) {
          (*static_cast<RecordPtr *> (record))->add (info);
          return GST_PAD_PROBE_OK;
        },
        new RecordPtr (record_),
        [] (gpointer record) { delete static_cast<RecordPtr *> (record); });
  }
  ~TextLog ()
  {
    gst_pad_remove_probe (pad_, probe_);
    gst_object_unref (pad_);
  }
  TextLog (const TextLog &) = delete;
  TextLog &operator= (const TextLog &) = delete;

  GstPad *pad () const { return pad_; }

  Items items () const
  {
    const std::lock_guard lock (record_->mutex);
    return record_->items;
  }

  bool wait (const Predicate &predicate, Milliseconds limit = patience ()) const
  {
    std::unique_lock lock (record_->mutex);
    return record_->changed.wait_for (
        lock, limit, [&] { return predicate (record_->items); });
  }

  /* Until all before that time is out. */
  bool wait_for_time (gint64 ms, Milliseconds limit = patience ()) const
  {
    return wait (
        [ms] (const Items &items) {
          return !items.empty () && end_of (items) >= ms;
        },
        limit);
  }
  bool wait_for_texts (std::size_t count) const
  {
    return wait ([count] (const Items &items) {
      return texts_of (items).size () >= count;
    });
  }
  bool wait_for_event (GstEventType type) const
  {
    return wait ([type] (const Items &items) {
      return std::ranges::any_of (
          items, [type] (const Item &item) { return item.type == type; });
    });
  }

  Items texts () const { return texts_of (items ()); }
  gint64 end () const { return end_of (items ()); }

  /* "-0..0 -0..200 one200..400 -400..1000", since the last flush. Gaps that
   * touch are one, but for the first, which is of no length. */
  std::string story () const
  {
    Items told;
    for (const Item &item : items ()) {
      if (item.type == GST_EVENT_FLUSH_STOP)
        told.clear ();
      if (item.type != GST_EVENT_GAP && item.type != GST_EVENT_UNKNOWN)
        continue;
      Item *last = told.empty () ? nullptr : &told.back ();
      if (last != nullptr && item.type == GST_EVENT_GAP
          && last->type == GST_EVENT_GAP && last->start < last->end
          && last->end == item.start)
        last->end = item.end;
      else
        told.push_back (item);
    }
    std::string story;
    for (const Item &item : told)
      story += (story.empty () ? "" : " ")
               + (item.type == GST_EVENT_GAP ? "-" : item.text)
               + std::to_string (item.start) + ".." + std::to_string (item.end);
    return story;
  }

  /* Each text or gap begins where the one before it ended. */
  void assert_no_hole () const
  {
    const Item *last = nullptr;
    const Items all = items ();
    for (const Item &item : all) {
      if (item.type == GST_EVENT_FLUSH_STOP)
        last = nullptr;
      if (item.type != GST_EVENT_GAP && item.type != GST_EVENT_UNKNOWN)
        continue;
      fail_unless (item.start <= item.end);
      fail_unless (last == nullptr || last->end == item.start,
                   "from %d to %d there is nothing: %s", int (last->end),
                   int (item.start), story ().c_str ());
      last = &item;
    }
  }

private:
  static gint64 end_of (const Items &items)
  {
    gint64 end = 0;
    for (const Item &item : items)
      if (item.type == GST_EVENT_GAP || item.type == GST_EVENT_UNKNOWN)
        end = item.end;
    return end;
  }

  static Items texts_of (const Items &items)
  {
    Items texts;
    for (const Item &item : items)
      if (item.type == GST_EVENT_UNKNOWN)
        texts.push_back (item);
    return texts;
  }

  /* A callback of the probe may be under way when that is removed. */
  struct Record
  {
    void add (GstPadProbeInfo *info)
    {
      const std::lock_guard lock (mutex);
      if (GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
          (info->type & GST_PAD_PROBE_TYPE_BUFFER) != 0)
        items.push_back (item_of (buffer));
      else
        items.push_back (item_of (GST_PAD_PROBE_INFO_EVENT (info)));
      changed.notify_all ();
    }

    gint64 running_ms (GstClockTime time) const
    {
      const guint64 running
          = gst_segment_to_running_time (&segment, GST_FORMAT_TIME, time);
      fail_unless (GST_CLOCK_TIME_IS_VALID (running));
      return gint64 ((running + GST_MSECOND / 2) / GST_MSECOND);
    }

    void place (Item &item, GstClockTime time, GstClockTime duration) const
    {
      fail_unless (GST_CLOCK_TIME_IS_VALID (time));
      fail_unless (GST_CLOCK_TIME_IS_VALID (duration));
      item.pts = gint64 ((time + GST_MSECOND / 2) / GST_MSECOND);
      item.start = running_ms (time);
      item.end = running_ms (time + duration);
    }

    Item item_of (GstEvent *event)
    {
      Item item{ .type = GST_EVENT_TYPE (event), .text = {} };
      GstClockTime time = 0;
      GstClockTime duration = 0;
      if (item.type == GST_EVENT_SEGMENT)
        gst_event_copy_segment (event, &segment);
      if (item.type == GST_EVENT_GAP) {
        gst_event_parse_gap (event, &time, &duration);
        place (item, time, duration);
      } else if (const GstStructure *s = gst_event_get_structure (event)) {
        item.text = gst_structure_get_name (s);
      }
      return item;
    }

    Item item_of (GstBuffer *buffer) const
    {
      Item item{ .type = GST_EVENT_UNKNOWN, .text = {} };
      GstMapInfo map;
      fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
      item.text.assign (reinterpret_cast<const char *> (map.data), map.size);
      gst_buffer_unmap (buffer, &map);
      place (item, GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer));
      return item;
    }

    GstSegment segment;
    Items items;
    std::mutex mutex;
    std::condition_variable changed;
  };
  using RecordPtr = std::shared_ptr<Record>;

  GstPad *const pad_;
  const RecordPtr record_ = std::make_shared<Record> ();
  gulong probe_;
};

} // namespace sischeck

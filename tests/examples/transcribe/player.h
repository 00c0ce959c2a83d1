// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "captions.h"
#include "options.h"
#include "statusline.h"

#include <array>
#include <atomic>
#include <string>

namespace transcribe {

/* One recording, or one live source, through sissink into a caption file. All
 * of it happens on the main loop's thread, but for what pads call. */
class Player
{
public:
  Player (const Options &options, StatusLine &status);
  Player (const Player &) = delete;
  Player &operator= (const Player &) = delete;
  ~Player ();

  /* `endpoint`: of a local server, or empty. */
  Verdict build (const std::string &endpoint);
  /* Returns when all is written, or nothing more will come. What is done then
   * goes undisturbed by signals; the destructor stops what still runs. */
  Verdict run (CaptionFile &captions);

private:
  Verdict add_input ();
  Verdict add_source ();
  Verdict add_recording ();
  void set_defaults (const std::string &endpoint);
  void end (Exit status, std::string reason = {});
  void interrupt ();
  void drain ();
  void give_up ();
  void say (const std::string &text);
  void show_status ();

  void on_message (GstMessage *message);
  void on_element (const GstStructure *structure);
  void on_result (const GstStructure *result);
  void on_error (GstMessage *message);
  void on_warning (GstMessage *message);
  bool finds_no_audio (const GError *error) const;
  void on_eos ();
  void on_pad (GstPad *pad);
  void on_unknown (GstPad *pad, GstCaps *caps);
  GstPadProbeReturn on_buffer (GstPad *pad);
  void on_event (GstEvent *event);
  guint64 stat (const char *field) const;

  const Options &options_;
  CaptionFile *captions_ = nullptr;
  StatusLine &status_;
  GMainLoop *loop_;
  GstElement *pipeline_ = nullptr;
  GstElement *input_ = nullptr; /* both are the pipeline's */
  GstElement *sink_ = nullptr;
  Verdict verdict_;
  std::string interim_;
  std::array<guint, 3> signals_{};
  guint drain_timer_ = 0, drain_limit_ = 0; /* seconds */
  /* Shared with streaming threads. */
  std::atomic<bool> is_plugin_missing_ = false;
  std::atomic<bool> is_stopping_ = false;
  std::atomic<bool> is_whole_ = false; /* its own end came */
};

} // namespace transcribe

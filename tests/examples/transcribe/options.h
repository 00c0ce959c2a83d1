// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "captions.h"

#include <string>
#include <utility>
#include <vector>

namespace transcribe {

/* Exit statuses; they are part of the manual. */
enum class Exit {
  Done = 0,
  Failed = 1,      /* this machine: output, plugin, sis-server */
  Usage = 2,       /* the command line */
  Input = 3,       /* the recording, or the microphone */
  Credentials = 4, /* the service refuses who asks */
  Settings = 5,    /* the service refuses what is asked */
  Service = 6,     /* the service was not reached, or failed */
  Interrupted = 130,
};

/* Why the program ends. */
struct Verdict
{
  Exit status = Exit::Done;
  std::string reason;

  bool is_good () const { return status == Exit::Done; }
};

struct Options
{
  std::string uri;    /* a recording */
  std::string source; /* or elements that listen to something live */
  std::string output; /* a file; empty: standard output */
  Format format = Format::Text;
  bool is_local = false, is_true_speed = false, is_quiet = false;
  bool is_verbose = false;
  /* Properties of sissink, with - for _ in their names. */
  std::vector<std::pair<std::string, std::string>> settings;

  bool is_live () const { return !source.empty (); }
  bool has_setting (std::string_view name) const;
};

/* Also starts GStreamer. Overwrites secrets in `argv`, which others can read,
 * and leaves none in the reason. May print (--version, --help) and exit. */
Verdict parse_options (int argc, char **argv, Options &options);

/* Sets properties from text, as strictly as they can be checked; a reason never
 * holds a value, which may be a secret. */
Verdict apply_settings (GstElement *sink, const Options &options);

} // namespace transcribe

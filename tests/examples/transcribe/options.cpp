// SPDX-License-Identifier: LGPL-2.1-or-later
#include "options.h"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

namespace transcribe {
namespace {

/* Properties of sissink; the last two, of sources. */
constexpr std::array secrets{ "auth-token",     "secret-key",
                              "security-token", "password",
                              "extra-headers",  "proxy",
                              "passphrase",     "-pw" };

constexpr const char *description
    = "FILE is anything that GStreamer can decode, a URI, or - for standard "
      "input.\n\nCredentials of the cloud service belong into the environment: "
      "HUAWEICLOUD_SDK_AK,\nHUAWEICLOUD_SDK_SK and "
      "HUAWEICLOUD_SDK_PROJECT_ID. Those in a command line are\noverwritten "
      "in the list of processes, but not in the history of a shell.\n\nFor the "
      "names of --set see gst-inspect-1.0 sissink. Exit status: 0 all went\n"
      "well, 1 output or installation, 2 command line, 3 input, 4 credentials, "
      "5 settings,\n6 network or service, 130 interrupted.\n";

struct Raw
{
  char *format = nullptr, *output = nullptr, *source = nullptr;
  char **settings = nullptr, **inputs = nullptr;
  gboolean microphone = FALSE, local = FALSE, true_speed = FALSE;
  gboolean quiet = FALSE, verbose = FALSE, version = FALSE;

  Raw () = default;
  Raw (const Raw &) = delete;
  Raw &operator= (const Raw &) = delete;
  ~Raw ()
  {
    g_free (format);
    g_free (output);
    g_free (source);
    g_strfreev (settings);
    g_strfreev (inputs);
  }
};

Verdict
usage (std::string reason)
{
  return { Exit::Usage, std::move (reason) };
}

/* As GObject reads a property's name. */
std::string
canonical (std::string_view name)
{
  std::string result (name);
  for (char &c : result)
    if (!g_ascii_isalnum (c))
      c = '-';
  return result;
}

void
hide_values (char *text)
{
  const std::string names = canonical (text);
  for (const char *secret : secrets) {
    const std::size_t at = names.find (secret);
    char *value = at != names.npos ? std::strchr (text + at, '=') : nullptr;
    if (value != nullptr)
      std::memset (value + 1, '*', std::strlen (value + 1));
  }
}

/* USER:PASSWORD@ of each URI. */
void
hide_users (char *text)
{
  for (char *at = text; (at = std::strstr (at, "://")) != nullptr;) {
    at += std::strlen ("://");
    char *end = at + std::strcspn (at, "/?# \t\"'");
    while (end > at && *end != '@')
      end--;
    std::memset (at, '*', std::size_t (end - at));
  }
}

void
hide_secrets (char *text)
{
  hide_values (text);
  hide_users (text);
}

bool
parse_raw (char ***arguments, Raw &raw, std::string &reason)
{
  const GOptionEntry entries[] = {
    { "format", 'f', 0, G_OPTION_ARG_STRING, &raw.format,
      "text, srt, vtt or json (default: by the name of the output, else text)",
      "FORMAT" },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &raw.output,
      "Write there, not to standard output", "FILE" },
    { "microphone", 'm', 0, G_OPTION_ARG_NONE, &raw.microphone,
      "Listen to the microphone, until Ctrl-C", nullptr },
    { "source", 0, 0, G_OPTION_ARG_FILENAME, &raw.source,
      "Listen to these GStreamer elements, as in gst-launch-1.0", "ELEMENTS" },
    { "local", 'l', 0, G_OPTION_ARG_NONE, &raw.local,
      "Ask a sis-server on this machine, not the cloud (English)", nullptr },
    { "set", 's', 0, G_OPTION_ARG_FILENAME_ARRAY, &raw.settings,
      "Set a property of sissink; may be repeated", "NAME=VALUE" },
    { "true-speed", 0, 0, G_OPTION_ARG_NONE, &raw.true_speed,
      "Send a recording as if it were spoken now", nullptr },
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &raw.quiet,
      "No progress, no interim text, no warnings", nullptr },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &raw.verbose,
      "Tell of sessions and events", nullptr },
    { "version", 0, 0, G_OPTION_ARG_NONE, &raw.version, "Print the version",
      nullptr },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw.inputs,
      nullptr, "FILE" },
    {}
  };
  g_autoptr (GOptionContext) context = g_option_context_new (nullptr);
  g_option_context_set_summary (
      context, "Turns speech into text with Huawei Cloud's real-time speech "
               "recognition.");
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, nullptr);
  g_option_context_add_group (context, gst_init_get_option_group ());
  g_autoptr (GError) failure = nullptr;
  if (!g_option_context_parse_strv (context, arguments, &failure))
    reason = printable (failure->message);
  return failure == nullptr;
}

bool
parse_format (const char *name, Format &format)
{
  struct Row
  {
    const char *name;
    Format format;
  };
  for (const Row &row :
       { Row{ "text", Format::Text }, Row{ "srt", Format::Srt },
         Row{ "vtt", Format::Vtt }, Row{ "json", Format::Json } })
    if (g_ascii_strcasecmp (name, row.name) == 0) {
      format = row.format;
      return true;
    }
  return false;
}

Verdict
choose_format (const Raw &raw, Options &options)
{
  if (raw.format != nullptr) {
    if (!parse_format (raw.format, options.format))
      return usage ("--format must be text, srt, vtt or json");
  } else if (raw.output != nullptr) {
    const char *dot = std::strrchr (raw.output, '.');
    if (dot != nullptr)
      parse_format (dot + 1, options.format);
  }
  return {};
}

bool
is_same_file (const char *one, const char *other)
{
  struct stat a
  {
  };
  struct stat b
  {
  };
  return stat (one, &a) == 0 && stat (other, &b) == 0 && a.st_dev == b.st_dev
         && a.st_ino == b.st_ino && S_ISREG (a.st_mode);
}

/* GStreamer's reader of files cannot be stopped while a FIFO gives nothing, its
 * reader of descriptors can. */
Verdict
choose_fifo (const char *input, Options &options)
{
  const int fd = g_open (input, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0)
    return { Exit::Input,
             "cannot read the recording '" + printable (input) + "'" };
  options.uri = "fd://" + std::to_string (fd);
  return {};
}

bool
is_fifo (const char *path)
{
  struct stat what
  {
  };
  return stat (path, &what) == 0 && S_ISFIFO (what.st_mode);
}

/* A file if there is one of that name. */
Verdict
choose_recording (const char *input, Options &options)
{
  if (std::strcmp (input, "-") == 0) {
    options.uri = "fd://0";
    return {};
  }
  const bool is_file = g_file_test (input, G_FILE_TEST_EXISTS);
  if (!is_file && gst_uri_is_valid (input)) {
    options.uri = input;
    return {};
  }
  if (!is_file || g_file_test (input, G_FILE_TEST_IS_DIR)
      || g_access (input, R_OK) != 0)
    return { Exit::Input,
             "cannot read the recording '" + printable (input) + "'" };
  if (is_fifo (input))
    return choose_fifo (input, options);
  if (is_same_file (input, options.output.c_str ()))
    return usage ("the output would overwrite the recording");
  g_autoptr (GError) failure = nullptr;
  g_autofree char *uri = gst_filename_to_uri (input, &failure);
  if (uri == nullptr)
    return { Exit::Input, printable (failure->message) };
  options.uri = uri;
  return {};
}

Verdict
choose_input (const Raw &raw, Options &options)
{
  const guint files = raw.inputs != nullptr ? g_strv_length (raw.inputs) : 0;
  const guint choices
      = files + (raw.microphone ? 1 : 0) + (raw.source != nullptr ? 1 : 0);
  if (choices != 1)
    return usage (choices == 0 ? "name a recording, or --microphone; see --help"
                               : "one recording, or --microphone, or --source");
  if (files == 1)
    return choose_recording (raw.inputs[0], options);
  options.source = raw.microphone ? "autoaudiosrc" : raw.source;
  return {};
}

Verdict
choose_settings (const Raw &raw, Options &options)
{
  for (char **at = raw.settings; at != nullptr && *at != nullptr; at++) {
    const std::string_view text = *at;
    const std::size_t equals = text.find ('=');
    if (equals == 0 || equals == std::string_view::npos)
      return usage ("--set needs NAME=VALUE");
    options.settings.emplace_back (canonical (text.substr (0, equals)),
                                   text.substr (equals + 1));
  }
  if (options.is_local)
    for (const char *name :
         { "endpoint", "auth-token", "access-key", "secret-key",
           "security-token", "user-name", "password" })
      if (options.has_setting (name))
        return usage (std::string ("--local goes without --set ") + name);
  return {};
}

/* From text as gst-launch-1.0 reads it, but nothing that was not understood, or
 * is out of range, is passed over. */
bool
value_from_text (GParamSpec *spec, const std::string &text, GValue *value)
{
  g_value_init (value, spec->value_type);
  if (spec->value_type == G_TYPE_STRING)
    g_value_set_string (value, text.c_str ());
  else if (!gst_value_deserialize_with_pspec (value, text.c_str (), spec))
    return false;
  return !g_param_value_validate (spec, value);
}

Verdict
parse (char ***arguments, Options &options)
{
  Raw raw;
  std::string reason;
  if (!parse_raw (arguments, raw, reason))
    return usage (std::move (reason));
  if (raw.version) {
    std::printf ("sis-transcribe %s\n", PACKAGE_VERSION);
    std::exit (0);
  }
  options.output = raw.output != nullptr ? raw.output : "";
  options.is_local = raw.local;
  options.is_true_speed = raw.true_speed;
  options.is_quiet = raw.quiet;
  options.is_verbose = raw.verbose;
  Verdict verdict = choose_format (raw, options);
  if (verdict.is_good ())
    verdict = choose_settings (raw, options);
  if (verdict.is_good ())
    verdict = choose_input (raw, options);
  return verdict;
}

} // namespace

bool
Options::has_setting (std::string_view name) const
{
  for (const auto &[key, value] : settings)
    if (key == name)
      return true;
  return false;
}

Verdict
parse_options (int argc, char **argv, Options &options)
{
  /* At once: to start GStreamer may take seconds. */
  g_auto (GStrv) arguments = g_strdupv (argv);
  for (int i = 0; i < argc; i++)
    hide_secrets (argv[i]);
  Verdict verdict = parse (&arguments, options);
  hide_secrets (verdict.reason.data ());
  return verdict;
}

Verdict
apply_settings (GstElement *sink, const Options &options)
{
  for (const auto &[name, text] : options.settings) {
    const std::string shown = "--set " + printable (name);
    GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (sink),
                                                     name.c_str ());
    if (spec == nullptr || (spec->flags & G_PARAM_WRITABLE) == 0)
      return usage (shown
                    + ": sissink has no such property; see gst-inspect-1.0 "
                      "sissink");
    GValue value = G_VALUE_INIT;
    const bool is_good = value_from_text (spec, text, &value);
    if (is_good)
      g_object_set_property (G_OBJECT (sink), name.c_str (), &value);
    g_value_unset (&value);
    if (!is_good)
      return usage (shown
                    + ": that is no value of this property; see "
                      "gst-inspect-1.0 sissink");
  }
  return {};
}

} // namespace transcribe

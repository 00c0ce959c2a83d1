// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsisenums.h"
#include "gstsissettings.h"

#include <array>

/* One row a property: what users read, where the value lives, when it may
 * change. Everything else follows from the kind of the field. */
namespace sis {
namespace {

struct Text
{
  std::string Settings::*member;
};
struct HiddenText
{
  Secret Settings::*member;
};
struct Flag
{
  bool Settings::*member;
};
struct Number
{
  int Settings::*member;
  int minimum, maximum;
};
struct Seconds
{
  guint Settings::*member;
  guint minimum, maximum;
};
struct Duration
{
  GstClockTime Settings::*member;
  GstClockTime minimum, maximum;
};
struct ModeChoice
{
  Mode Settings::*member;
};
struct Row
{
  std::vector<float> Settings::*member;
};

using Field = std::variant<Text, HiddenText, Flag, Number, Seconds, Duration,
                           ModeChoice, Row>;

struct Property
{
  const char *name, *nick, *blurb;
  Field field;
  GParamFlags when;
};

constexpr auto ready = GParamFlags (GST_PARAM_MUTABLE_READY);
constexpr auto playing = GParamFlags (GST_PARAM_MUTABLE_PLAYING);

constexpr std::array properties{
  Property{ "endpoint", "Endpoint",
            "Where the service is: wss://host[:port][/prefix], or ws:// "
            "(null = wss://sis-ext.{region}.myhuaweicloud.com)",
            Text{ &Settings::endpoint }, ready },
  Property{ "region", "Region",
            "Region of the service, for the endpoint that is not set",
            Text{ &Settings::region }, ready },
  Property{ "project-id", "Project ID",
            "Project of the region; required "
            "(null = $HUAWEICLOUD_SDK_PROJECT_ID)",
            Text{ &Settings::project_id }, ready },
  Property{ "mode", "Mode", "Recognition mode", ModeChoice{ &Settings::mode },
            ready },
  Property{ "model", "Model",
            "Language, sampling rate and domain, sent as `property`; audio is "
            "sent with 8 kHz if the name has _8k_, else with 16 kHz",
            Text{ &Settings::model }, ready },
  Property{ "auth-token", "Auth token",
            "IAM token, sent as X-Auth-Token from the next handshake on "
            "(null = $SIS_AUTH_TOKEN)",
            HiddenText{ &Settings::auth_token }, playing },
  Property{ "add-punc", "Add punctuation",
            "Put punctuation marks into the text", Flag{ &Settings::add_punc },
            playing },
  Property{ "digit-norm", "Digit normalisation",
            "Write spoken numbers as Arabic digits",
            Flag{ &Settings::digit_norm }, playing },
  Property{ "interim-results", "Interim results",
            "Post hypotheses while a sentence is still being spoken",
            Flag{ &Settings::interim_results }, playing },
  Property{ "need-word-info", "Need word info",
            "Post the words of a result with their times",
            Flag{ &Settings::need_word_info }, playing },
  Property{ "vad-head", "VAD head",
            "Silence without speech before it that ends the listening, in ms "
            "(-1 = the service's default; no effect in short mode)",
            Number{ &Settings::vad_head, -1, 60000 }, playing },
  Property{ "vad-tail", "VAD tail",
            "Silence after speech that ends a sentence, in ms "
            "(-1 = the service's default; no effect in short mode)",
            Number{ &Settings::vad_tail, -1, 3000 }, playing },
  Property{ "max-seconds", "Maximum seconds",
            "Longest sentence, 1 to 60 s "
            "(-1 = the service's default; no effect in short mode)",
            Number{ &Settings::max_seconds, -1, 60 }, playing },
  Property{ "vocabulary-id", "Vocabulary ID", "Table of hot words to use",
            Text{ &Settings::vocabulary_id }, playing },
  Property{ "chunk-duration", "Chunk duration",
            "Audio per message while keeping up, in ns; when more waits, "
            "messages are joined up to 1 s",
            Duration{ &Settings::chunk_duration, 20 * GST_MSECOND, GST_SECOND },
            ready },
  Property{ "timeout", "Timeout",
            "How long to wait for the connection, for the answers to START and "
            "END, and for progress at the end of the stream, in s",
            Seconds{ &Settings::timeout, 1, 300 }, ready },
  Property{ "idle-timeout", "Idle timeout",
            "Without audio for so long (paused, stalled) the service's session "
            "is ended in order, and the next audio opens another, 1 s to 15 s "
            "in ns (0 = off: the service ends it with an error after 20 s)",
            Duration{ &Settings::idle_timeout, 0, 15 * GST_SECOND }, ready },
  Property{ "keepalive-interval", "Keepalive interval",
            "Pings to the service, in s; no frame for so long after a ping, or "
            "no audio taken for twice as long, is a lost connection (0 = off)",
            Seconds{ &Settings::keepalive_interval, 0, 3600 }, ready },
  Property{ "mix-matrix", "Mix matrix",
            "How the input's channels make the mono signal, as in "
            "audioconvert: one row of factors, -1 to 1, one a channel "
            "(empty = by the channels' positions)",
            Row{ &Settings::mix_matrix }, ready },
};

const char *
or_null (const std::string &text)
{
  return text.empty () ? nullptr : text.c_str ();
}

/* make_spec: the GParamSpec of a kind of field. */
struct MakeSpec
{
  const Property &p;
  const Settings defaults = {};

  GParamFlags flags () const
  {
    return GParamFlags (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | p.when);
  }
  GParamSpec *operator() (const Text &f) const
  {
    return g_param_spec_string (p.name, p.nick, p.blurb,
                                or_null (defaults.*f.member), flags ());
  }
  GParamSpec *operator() (const HiddenText &) const
  {
    return g_param_spec_string (p.name, p.nick, p.blurb, nullptr,
                                GParamFlags (flags () & ~G_PARAM_READABLE));
  }
  GParamSpec *operator() (const Flag &f) const
  {
    return g_param_spec_boolean (p.name, p.nick, p.blurb, defaults.*f.member,
                                 flags ());
  }
  GParamSpec *operator() (const Number &f) const
  {
    return g_param_spec_int (p.name, p.nick, p.blurb, f.minimum, f.maximum,
                             defaults.*f.member, flags ());
  }
  GParamSpec *operator() (const Seconds &f) const
  {
    return g_param_spec_uint (p.name, p.nick, p.blurb, f.minimum, f.maximum,
                              defaults.*f.member, flags ());
  }
  GParamSpec *operator() (const Duration &f) const
  {
    return g_param_spec_uint64 (p.name, p.nick, p.blurb, f.minimum, f.maximum,
                                defaults.*f.member, flags ());
  }
  GParamSpec *operator() (const ModeChoice &f) const
  {
    return g_param_spec_enum (p.name, p.nick, p.blurb, GST_TYPE_SIS_MODE,
                              int (defaults.*f.member), flags ());
  }
  GParamSpec *operator() (const Row &) const
  {
    constexpr auto plain
        = GParamFlags (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
    return gst_param_spec_array (
        p.name, p.nick, p.blurb,
        gst_param_spec_array ("row", "Row", "Factors of the channels",
                              g_param_spec_float ("factor", "Factor",
                                                  "Factor of a channel", -1, 1,
                                                  0, plain),
                              plain),
        flags ());
  }
};

struct Set
{
  Settings &settings;
  const GValue &value;

  std::string text () const
  {
    const char *string = g_value_get_string (&value);
    return string != nullptr ? string : "";
  }
  void operator() (const Text &f) const { settings.*f.member = text (); }
  void operator() (const HiddenText &f) const
  {
    const char *string = g_value_get_string (&value);
    settings.*f.member = Secret (string != nullptr ? string : "");
  }
  void operator() (const Flag &f) const
  {
    settings.*f.member = g_value_get_boolean (&value);
  }
  void operator() (const Number &f) const
  {
    settings.*f.member = g_value_get_int (&value);
  }
  void operator() (const Seconds &f) const
  {
    settings.*f.member = g_value_get_uint (&value);
  }
  void operator() (const Duration &f) const
  {
    settings.*f.member = g_value_get_uint64 (&value);
  }
  void operator() (const ModeChoice &f) const
  {
    settings.*f.member = Mode (g_value_get_enum (&value));
  }
  void operator() (const Row &f) const
  {
    auto &row = settings.*f.member;
    row.clear ();
    settings.mix_rows = gst_value_array_get_size (&value);
    if (settings.mix_rows == 0)
      return;
    const GValue *first = gst_value_array_get_value (&value, 0);
    for (guint i = 0; i < gst_value_array_get_size (first); i++)
      row.push_back (g_value_get_float (gst_value_array_get_value (first, i)));
  }
};

struct Get
{
  const Settings &settings;
  GValue *value;

  void operator() (const Text &f) const
  {
    g_value_set_string (value, or_null (settings.*f.member));
  }
  void operator() (const HiddenText &) const {}
  void operator() (const Flag &f) const
  {
    g_value_set_boolean (value, settings.*f.member);
  }
  void operator() (const Number &f) const
  {
    g_value_set_int (value, settings.*f.member);
  }
  void operator() (const Seconds &f) const
  {
    g_value_set_uint (value, settings.*f.member);
  }
  void operator() (const Duration &f) const
  {
    g_value_set_uint64 (value, settings.*f.member);
  }
  void operator() (const ModeChoice &f) const
  {
    g_value_set_enum (value, int (settings.*f.member));
  }
  void operator() (const Row &f) const
  {
    const auto &row = settings.*f.member;
    if (row.empty ())
      return;
    GValue inner = G_VALUE_INIT;
    gst_value_array_init (&inner, guint (row.size ()));
    for (const float factor : row) {
      GValue number = G_VALUE_INIT;
      g_value_init (&number, G_TYPE_FLOAT);
      g_value_set_float (&number, factor);
      gst_value_array_append_and_take_value (&inner, &number);
    }
    gst_value_array_append_and_take_value (value, &inner);
  }
};

const Property *
find_property (guint id)
{
  return id >= 1 && id <= properties.size () ? &properties[id - 1] : nullptr;
}

} // namespace

void
install_properties (GObjectClass *klass)
{
  guint id = 0;
  for (const Property &property : properties)
    g_object_class_install_property (
        klass, ++id, std::visit (MakeSpec{ property }, property.field));
  gst_type_mark_as_plugin_api (GST_TYPE_SIS_MODE, GstPluginAPIFlags (0));
}

bool
set_property (Settings &settings, guint id, const GValue &value)
{
  const Property *property = find_property (id);
  if (property != nullptr)
    std::visit (Set{ settings, value }, property->field);
  return property != nullptr;
}

bool
get_property (const Settings &settings, guint id, GValue *value)
{
  const Property *property = find_property (id);
  if (property != nullptr)
    std::visit (Get{ settings, value }, property->field);
  return property != nullptr;
}

bool
is_for_next_session (guint id)
{
  const Property *property = find_property (id);
  return property != nullptr && property->when == playing;
}

} // namespace sis

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsisenums.h"
#include "gstsisextra.h"
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
struct Factor
{
  double Settings::*member;
  double maximum;
};
template <typename Enum> struct Choice
{
  Enum Settings::*member;
  GType (*type) ();
};
struct Row
{
  std::vector<float> Settings::*member;
};
/* A URL that is read back without user and password. */
struct ProxyUrl
{
  Secret Settings::*member;
};
struct Structure
{
  StructurePtr Settings::*member;
};
struct HiddenHeaders
{
  ExtraHeaders Settings::*member;
};
struct TlsDatabase
{
  TlsDatabasePtr Settings::*member;
};

using Field = std::variant<Text, HiddenText, Flag, Number, Seconds, Duration,
                           Factor, Choice<Mode>, Choice<Leaky>,
                           Choice<Reconnect>, Choice<OnError>, Row, ProxyUrl,
                           Structure, HiddenHeaders, TlsDatabase>;

struct Property
{
  const char *name, *nick, *blurb;
  Field field;
  GParamFlags when;
};

constexpr GstClockTime longest = G_MAXINT64;

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
  Property{ "enterprise-project-id", "Enterprise project ID",
            "Whom the costs are billed to, sent as Enterprise-Project-Id",
            Text{ &Settings::enterprise_project_id }, playing },
  Property{ "mode", "Mode", "Recognition mode",
            Choice<Mode>{ &Settings::mode, gst_sis_mode_get_type }, ready },
  Property{ "model", "Model",
            "Language, sampling rate and domain, sent as `property`; audio is "
            "sent with 8 kHz if the name has _8k_, else with 16 kHz",
            Text{ &Settings::model }, ready },
  Property{ "auth-token", "Auth token",
            "IAM token, sent as X-Auth-Token from the next handshake on "
            "(no credentials set = $SIS_AUTH_TOKEN)",
            HiddenText{ &Settings::auth_token }, playing },
  Property{ "access-key", "Access key",
            "Access key (AK); each handshake is signed with it "
            "(no credentials set = $HUAWEICLOUD_SDK_AK)",
            Text{ &Settings::access_key }, playing },
  Property{ "secret-key", "Secret key",
            "Secret key (SK) of the access key "
            "(no credentials set = $HUAWEICLOUD_SDK_SK)",
            HiddenText{ &Settings::secret_key }, playing },
  Property{ "security-token", "Security token",
            "Security token of a temporary access key "
            "(no credentials set = $HUAWEICLOUD_SDK_SECURITY_TOKEN)",
            HiddenText{ &Settings::security_token }, playing },
  Property{ "user-name", "User name",
            "IAM user for whom tokens are fetched, and fetched anew",
            Text{ &Settings::user_name }, playing },
  Property{ "domain-name", "Domain name", "Account of the IAM user",
            Text{ &Settings::domain_name }, playing },
  Property{ "password", "Password", "Password of the IAM user",
            HiddenText{ &Settings::password }, playing },
  Property{ "iam-endpoint", "IAM endpoint",
            "Where IAM issues tokens: https://host[:port][/prefix] "
            "(null = https://iam.{region}.myhuaweicloud.com)",
            Text{ &Settings::iam_endpoint }, playing },
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
  Property{ "extra-config", "Extra config",
            "Further keys of START, as they are; booleans are sent as yes and "
            "no",
            Structure{ &Settings::extra_config }, playing },
  Property{ "chunk-duration", "Chunk duration",
            "Audio per message while keeping up, in ns; when more waits, "
            "messages are joined up to 1 s",
            Duration{ &Settings::chunk_duration, 20 * GST_MSECOND, GST_SECOND },
            ready },
  Property{ "max-send-rate", "Maximum send rate",
            "How fast audio is sent at most, in times real time, replays "
            "included (0 = no limit)",
            Factor{ &Settings::max_send_rate, 1000 }, playing },
  Property{ "max-buffer-duration", "Maximum buffer duration",
            "Audio that was never sent and may wait, in ns",
            Duration{ &Settings::max_buffer_duration, GST_SECOND, longest },
            ready },
  Property{ "leaky", "Leaky",
            "What happens when max-buffer-duration of audio waits",
            Choice<Leaky>{ &Settings::leaky, gst_sis_leaky_get_type }, ready },
  Property{
      "reconnect", "Reconnect", "After which failures another attempt is made",
      Choice<Reconnect>{ &Settings::reconnect, gst_sis_reconnect_get_type },
      ready },
  Property{ "max-reconnects", "Maximum reconnects",
            "Attempts after a failure before the error (-1 = 10 until the "
            "service answered once, then without limit if upstream is live and "
            "10 if not)",
            Number{ &Settings::max_reconnects, -1, G_MAXINT }, ready },
  Property{ "reconnect-delay", "Reconnect delay",
            "Longest wait before the first of these attempts, doubled for each "
            "further one, and shortest time between two sessions, in ns",
            Duration{ &Settings::reconnect_delay, GST_MSECOND, longest },
            ready },
  Property{ "max-reconnect-delay", "Maximum reconnect delay",
            "Longest wait before any attempt, in ns",
            Duration{ &Settings::max_reconnect_delay, GST_MSECOND, longest },
            ready },
  Property{ "replay-duration", "Replay duration",
            "Audio that was sent and is kept until a final covers it, to be "
            "sent again where a session is lost, in ns (0 = none)",
            Duration{ &Settings::replay_duration, 0, longest }, ready },
  Property{ "max-session-duration", "Maximum session duration",
            "When a session of the service is replaced, in ns of audio or of "
            "time (0 = 4 h 55 min in continue mode, 58 s in the others)",
            Duration{ &Settings::max_session_duration, 0, longest }, ready },
  Property{ "on-error", "On error",
            "What happens to audio after an error was posted",
            Choice<OnError>{ &Settings::on_error, gst_sis_on_error_get_type },
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
  Property{ "proxy", "Proxy",
            "http, socks4 or socks5 URL of a proxy, read back without user and "
            "password (null = the system's for wss://, none for ws://)",
            ProxyUrl{ &Settings::proxy }, ready },
  Property{ "tls-database", "TLS database",
            "Whose certificates are trusted (null = the system's)",
            TlsDatabase{ &Settings::tls_database }, ready },
  Property{ "ssl-ca-file", "SSL CA file",
            "PEM file of authorities that are trusted in place of the system's",
            Text{ &Settings::ssl_ca_file }, ready },
  Property{ "extra-headers", "Extra headers",
            "Further headers of the handshake",
            HiddenHeaders{ &Settings::extra_headers }, ready },
  Property{ "user-agent", "User agent", "Sent as User-Agent",
            Text{ &Settings::user_agent }, ready },
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
  GParamSpec *operator() (const Factor &f) const
  {
    return g_param_spec_double (p.name, p.nick, p.blurb, 0, f.maximum,
                                defaults.*f.member, flags ());
  }
  template <typename Enum> GParamSpec *operator() (const Choice<Enum> &f) const
  {
    gst_type_mark_as_plugin_api (f.type (), GstPluginAPIFlags (0));
    return g_param_spec_enum (p.name, p.nick, p.blurb, f.type (),
                              int (defaults.*f.member), flags ());
  }
  GParamSpec *operator() (const ProxyUrl &) const
  {
    return g_param_spec_string (p.name, p.nick, p.blurb, nullptr, flags ());
  }
  GParamSpec *operator() (const Structure &) const
  {
    return g_param_spec_boxed (p.name, p.nick, p.blurb, GST_TYPE_STRUCTURE,
                               flags ());
  }
  GParamSpec *operator() (const HiddenHeaders &) const
  {
    return g_param_spec_boxed (p.name, p.nick, p.blurb, GST_TYPE_STRUCTURE,
                               GParamFlags (flags () & ~G_PARAM_READABLE));
  }
  GParamSpec *operator() (const TlsDatabase &) const
  {
    return g_param_spec_object (p.name, p.nick, p.blurb, G_TYPE_TLS_DATABASE,
                                flags ());
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

GstStructure *
copy_of (const GValue &value)
{
  const GstStructure *structure = gst_value_get_structure (&value);
  return structure != nullptr ? gst_structure_copy (structure) : nullptr;
}

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
  void operator() (const Factor &f) const
  {
    settings.*f.member = g_value_get_double (&value);
  }
  template <typename Enum> void operator() (const Choice<Enum> &f) const
  {
    settings.*f.member = Enum (g_value_get_enum (&value));
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
  void operator() (const ProxyUrl &f) const
  {
    settings.*f.member = Secret (text ());
  }
  void operator() (const Structure &f) const
  {
    GstStructure *copy = copy_of (value);
    settings.*f.member
        = copy != nullptr ? StructurePtr (copy, gst_structure_free) : nullptr;
  }
  void operator() (const HiddenHeaders &f) const
  {
    settings.*f.member = read_extra_headers (gst_value_get_structure (&value));
  }
  void operator() (const TlsDatabase &f) const
  {
    auto *database = static_cast<GTlsDatabase *> (g_value_dup_object (&value));
    settings.*f.member = database != nullptr
                             ? TlsDatabasePtr (database, g_object_unref)
                             : nullptr;
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
  void operator() (const Factor &f) const
  {
    g_value_set_double (value, settings.*f.member);
  }
  template <typename Enum> void operator() (const Choice<Enum> &f) const
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
  void operator() (const ProxyUrl &f) const
  {
    const auto parsed = parse_proxy (settings.*f.member);
    const auto *proxy = std::get_if<Proxy> (&parsed);
    g_value_set_string (value,
                        proxy != nullptr ? proxy->url ().c_str () : nullptr);
  }
  void operator() (const Structure &f) const
  {
    gst_value_set_structure (value, (settings.*f.member).get ());
  }
  void operator() (const HiddenHeaders &) const {}
  void operator() (const TlsDatabase &f) const
  {
    g_value_set_object (value, (settings.*f.member).get ());
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
}

guint
count_properties ()
{
  return guint (properties.size ());
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

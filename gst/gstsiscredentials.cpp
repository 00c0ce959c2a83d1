// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsiscredentials.h"

#include <algorithm>

namespace sis {
namespace {

using Found = std::variant<Credentials, std::string>;

/* What was given, and how messages name it. */
struct Given
{
  Secret token, access_key, secret_key, security_token;
  Secret user, domain, password;
  bool is_of_environment = false;

  const char *name (const char *property, const char *variable) const
  {
    return is_of_environment ? variable : property;
  }
  std::string token_name () const
  {
    return name ("auth-token", "SIS_AUTH_TOKEN");
  }
  std::string access_key_name () const
  {
    return name ("access-key", "HUAWEICLOUD_SDK_AK");
  }
  std::string secret_key_name () const
  {
    return name ("secret-key", "HUAWEICLOUD_SDK_SK");
  }
  std::string security_token_name () const
  {
    return name ("security-token", "HUAWEICLOUD_SDK_SECURITY_TOKEN");
  }

  bool has_token () const { return !token.empty (); }
  bool has_keys () const
  {
    return !access_key.empty () || !secret_key.empty ()
           || !security_token.empty ();
  }
  bool has_login () const
  {
    return !user.empty () || !domain.empty () || !password.empty ();
  }
  int kinds () const { return has_token () + has_keys () + has_login (); }
};

Secret
variable (const char *name)
{
  const char *value = g_getenv (name);
  return Secret (value != nullptr ? value : "");
}

Given
look_up (const Settings &settings)
{
  const Given properties{ .token = settings.auth_token,
                          .access_key = Secret (settings.access_key),
                          .secret_key = settings.secret_key,
                          .security_token = settings.security_token,
                          .user = Secret (settings.user_name),
                          .domain = Secret (settings.domain_name),
                          .password = settings.password };
  if (properties.kinds () > 0)
    return properties;
  return Given{ .token = variable ("SIS_AUTH_TOKEN"),
                .access_key = variable ("HUAWEICLOUD_SDK_AK"),
                .secret_key = variable ("HUAWEICLOUD_SDK_SK"),
                .security_token = variable ("HUAWEICLOUD_SDK_SECURITY_TOKEN"),
                .is_of_environment = true };
}

/* Fit for a header; false: it has characters that are not. */
bool
trim (const Secret &value, Secret &trimmed)
{
  const auto header = trim_header_value (value.value ());
  if (header)
    trimmed = Secret (*header);
  return header.has_value ();
}

std::string
odd_characters (const std::string &name)
{
  return name
         + " has characters that it cannot have, such as a line break in its "
           "middle.";
}

Found
find_token (const Given &given)
{
  Token token;
  if (!trim (given.token, token.token) || token.token.empty ())
    return odd_characters (given.token_name ());
  return token;
}

Found
find_keys (const Given &given)
{
  KeyPair keys;
  Secret access_key;
  if (!trim (given.access_key, access_key)
      || access_key.value ().find_first_of (" ,") != std::string::npos)
    return odd_characters (given.access_key_name ());
  keys.access_key = access_key.value ();
  if (!trim (given.secret_key, keys.secret_key))
    return odd_characters (given.secret_key_name ());
  if (!trim (given.security_token, keys.security_token))
    return odd_characters (given.security_token_name ());
  if (keys.access_key.empty () || keys.secret_key.empty ())
    return (keys.access_key.empty () ? given.access_key_name ()
                                     : given.secret_key_name ())
           + " is not set: a key consists of " + given.access_key_name ()
           + " and " + given.secret_key_name () + ".";
  return keys;
}

/* Text for JSON; control characters at the ends are taken off. */
bool
trim_text (const Secret &value, Secret &trimmed)
{
  const auto is_control = [] (char c) { return g_ascii_iscntrl (c); };
  std::string_view text = value.value ();
  while (!text.empty () && is_control (text.front ()))
    text.remove_prefix (1);
  while (!text.empty () && is_control (text.back ()))
    text.remove_suffix (1);
  trimmed = Secret (text);
  return std::ranges::none_of (text, is_control)
         && g_utf8_validate (text.data (), gssize (text.size ()), nullptr);
}

Found
find_login (const Given &given, const Settings &settings)
{
  Secret user;
  Secret domain;
  Login login;
  for (const auto &[name, value, trimmed] :
       { std::tuple ("user-name", &given.user, &user),
         std::tuple ("domain-name", &given.domain, &domain),
         std::tuple ("password", &given.password, &login.password) }) {
    if (!trim_text (*value, *trimmed))
      return odd_characters (name);
    if (trimmed->empty ())
      return std::string (name)
             + " is not set: an IAM user logs in with user-name, domain-name "
               "and password.";
  }
  login.user = user.value ();
  login.domain = domain.value ();
  if (settings.iam_endpoint.empty ()) {
    if (!is_valid_region (settings.region))
      return "region may only have small letters, digits and '-', such as "
             "cn-north-4.";
    login.iam = endpoint_of_region (settings.region, EndpointKind::Iam);
    return login;
  }
  const auto parsed = parse_endpoint (settings.iam_endpoint, EndpointKind::Iam);
  if (const auto *problem = std::get_if<std::string> (&parsed))
    return *problem + ".";
  login.iam = std::get<Endpoint> (parsed);
  if (!login.iam.may_carry_secrets ())
    return "The password is not sent over plain http:// to another machine. "
           "Use an https:// iam-endpoint.";
  return login;
}

/* Where credentials, and headers that may be some, may not go, as a sentence;
 * empty: they may. */
std::string
misdirection (const Settings &settings, bool has_credentials)
{
  const auto found = find_endpoint (settings);
  if (const auto *problem = std::get_if<std::string> (&found))
    return *problem;
  const Endpoint &endpoint = std::get<Endpoint> (found);
  if (!has_credentials && endpoint.secure)
    return "No credentials: set auth-token, or access-key and secret-key, or "
           "user-name, domain-name and password; or the environment's "
           "SIS_AUTH_TOKEN, or HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK.";
  if (!has_credentials && settings.extra_headers.headers.empty ())
    return {};
  const std::string subject = has_credentials
                                  ? "Credentials are"
                                  : "extra-headers may hold secrets and are";
  if (!endpoint.may_carry_secrets ())
    return subject
           + " not sent over plain ws:// to another machine. Use a wss:// "
             "endpoint.";
  if (!endpoint.secure && !settings.proxy.empty ())
    return subject
           + " not sent through a proxy over plain ws://. Use a wss:// "
             "endpoint, or no proxy.";
  return {};
}

} // namespace

std::variant<Credentials, std::string>
find_credentials (const Settings &settings)
{
  const Given given = look_up (settings);
  if (given.kinds () > 1)
    return std::string (
        given.is_of_environment
            ? "SIS_AUTH_TOKEN and HUAWEICLOUD_SDK_AK are both in the "
              "environment: unset one of them."
            : "Several kinds of credentials are set: set either auth-token, or "
              "access-key and secret-key, or user-name, domain-name and "
              "password.");
  std::string problem = misdirection (settings, given.kinds () > 0);
  if (!problem.empty ())
    return problem;
  if (given.has_token ())
    return find_token (given);
  if (given.has_keys ())
    return find_keys (given);
  if (given.has_login ())
    return find_login (given, settings);
  return Credentials ();
}

} // namespace sis

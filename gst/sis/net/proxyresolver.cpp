// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sis/net/proxyresolver.h"

#include <vector>

namespace {

/* One C++ object a GObject: made in init, deleted in finalize. */
struct State
{
  sis::GObjectPtr<GProxyResolver> inner;
  std::string in_use;
  std::vector<sis::Proxy> known; /* those with user or password */
};

} // namespace

#define SIS_TYPE_PROXY_RESOLVER (sis_proxy_resolver_get_type ())
G_DECLARE_FINAL_TYPE (SisProxyResolver, sis_proxy_resolver, SIS, PROXY_RESOLVER,
                      GObject)

struct _SisProxyResolver
{
  GObject parent;
  State *state;
};

static void sis_proxy_resolver_iface_init (GProxyResolverInterface *iface);

G_DEFINE_TYPE_WITH_CODE (SisProxyResolver, sis_proxy_resolver, G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (G_TYPE_PROXY_RESOLVER,
                                                sis_proxy_resolver_iface_init))

namespace {

void
remember (State &state, const sis::Proxy &proxy)
{
  std::erase_if (state.known, [&proxy] (const sis::Proxy &known) {
    return known.name () == proxy.name ();
  });
  if (!proxy.user.empty () || !proxy.password.empty ())
    state.known.push_back (proxy);
}

/* Takes the secrets out of what the inner resolver found. False: there may be
 * some in a URL that is not understood, which GIO would repeat in its logs. */
bool
strip (State &state, char **urls)
{
  state.in_use.clear ();
  for (char **url = urls; url != nullptr && *url != nullptr; url++) {
    const auto parsed = sis::parse_proxy (sis::Secret (*url));
    const auto *proxy = std::get_if<sis::Proxy> (&parsed);
    if (proxy == nullptr) {
      if (strchr (*url, '@') != nullptr)
        return false;
      continue; /* direct://, say */
    }
    if (state.in_use.empty ())
      state.in_use = proxy->name ();
    explicit_bzero (*url, strlen (*url));
    g_free (*url);
    remember (state, *proxy);
    /* To others than HTTP proxies GIO itself logs in. */
    *url = g_strdup (proxy->scheme == "http"
                         ? proxy->url ().c_str ()
                         : proxy->full_url ().value ().c_str ());
  }
  return true;
}

/* What the inner resolver found, fit to be used; or null. */
char **
stripped (State &state, char **urls, GError **error)
{
  if (urls == nullptr || strip (state, urls))
    return urls;
  for (char **url = urls; *url != nullptr; url++)
    explicit_bzero (*url, strlen (*url));
  g_strfreev (urls);
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                       "the system's proxy is not of the form "
                       "http://[user:password@]host:port");
  return nullptr;
}

void
found (GObject *inner, GAsyncResult *result, void *data) noexcept
{
  g_autoptr (GTask) task = G_TASK (data);
  GError *error = nullptr;
  char **urls = g_proxy_resolver_lookup_finish (G_PROXY_RESOLVER (inner),
                                                result, &error);
  urls = stripped (*SIS_PROXY_RESOLVER (g_task_get_source_object (task))->state,
                   urls, &error);
  if (urls == nullptr)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, urls, GDestroyNotify (g_strfreev));
}

} // namespace

static gboolean
sis_proxy_resolver_is_supported (GProxyResolver *)
{
  return TRUE;
}

static char **
sis_proxy_resolver_lookup (GProxyResolver *resolver, const char *uri,
                           GCancellable *cancellable, GError **error)
{
  State &state = *SIS_PROXY_RESOLVER (resolver)->state;
  return stripped (
      state,
      g_proxy_resolver_lookup (state.inner.get (), uri, cancellable, error),
      error);
}

static void
sis_proxy_resolver_lookup_async (GProxyResolver *resolver, const char *uri,
                                 GCancellable *cancellable,
                                 GAsyncReadyCallback callback, void *data)
{
  GTask *task = g_task_new (resolver, cancellable, callback, data);
  g_proxy_resolver_lookup_async (
      SIS_PROXY_RESOLVER (resolver)->state->inner.get (), uri, cancellable,
      found, task);
}

static char **
sis_proxy_resolver_lookup_finish (GProxyResolver *, GAsyncResult *result,
                                  GError **error)
{
  return static_cast<char **> (
      g_task_propagate_pointer (G_TASK (result), error));
}

static void
sis_proxy_resolver_iface_init (GProxyResolverInterface *iface)
{
  iface->is_supported = sis_proxy_resolver_is_supported;
  iface->lookup = sis_proxy_resolver_lookup;
  iface->lookup_async = sis_proxy_resolver_lookup_async;
  iface->lookup_finish = sis_proxy_resolver_lookup_finish;
}

static void
sis_proxy_resolver_finalize (GObject *object)
{
  delete SIS_PROXY_RESOLVER (object)->state;
  G_OBJECT_CLASS (sis_proxy_resolver_parent_class)->finalize (object);
}

static void
sis_proxy_resolver_init (SisProxyResolver *self)
{
  self->state = new State;
}

static void
sis_proxy_resolver_class_init (SisProxyResolverClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = sis_proxy_resolver_finalize;
}

namespace sis {

ProxyResolver::ProxyResolver (const std::optional<Proxy> &proxy)
    : object_ (static_cast<GProxyResolver *> (
        g_object_new (SIS_TYPE_PROXY_RESOLVER, nullptr)))
{
  State &state = *SIS_PROXY_RESOLVER (object_.get ())->state;
  state.inner = proxy
                    ? GObjectPtr<GProxyResolver> (g_simple_proxy_resolver_new (
                        proxy->full_url ().value ().c_str (), nullptr))
                    : share (g_proxy_resolver_get_default ());
}

std::string
ProxyResolver::name_in_use () const
{
  return SIS_PROXY_RESOLVER (object_.get ())->state->in_use;
}

const Proxy *
ProxyResolver::find (std::string_view name) const
{
  for (const Proxy &proxy : SIS_PROXY_RESOLVER (object_.get ())->state->known)
    if (proxy.scheme == "http"
        && (proxy.name () == name
            || proxy.host + ":" + std::to_string (proxy.port) == name))
      return &proxy;
  return nullptr;
}

std::vector<Secret>
ProxyResolver::secrets () const
{
  std::vector<Secret> all;
  for (const Proxy &proxy : SIS_PROXY_RESOLVER (object_.get ())->state->known) {
    const auto more = proxy.secrets ();
    all.insert (all.end (), more.begin (), more.end ());
  }
  return all;
}

} // namespace sis

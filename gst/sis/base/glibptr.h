// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <glib-object.h>
#include <memory>

namespace sis {

/* A stateless deleter from a C release function: a unique_ptr with it is as
 * large as the bare pointer. */
template <auto Free> struct Deleter
{
  template <typename T> void operator() (T *pointer) const noexcept
  {
    Free (pointer);
  }
};

template <typename T>
using GObjectPtr = std::unique_ptr<T, Deleter<g_object_unref>>;
using GSourcePtr = std::unique_ptr<GSource, Deleter<g_source_unref>>;
using GMainContextPtr
    = std::unique_ptr<GMainContext, Deleter<g_main_context_unref>>;
using GMainLoopPtr = std::unique_ptr<GMainLoop, Deleter<g_main_loop_unref>>;
using GUriPtr = std::unique_ptr<GUri, Deleter<g_uri_unref>>;
using GErrorPtr = std::unique_ptr<GError, Deleter<g_error_free>>;
using GCharPtr = std::unique_ptr<char, Deleter<g_free>>;

/* Another reference to an object that is kept elsewhere too. */
template <typename T>
GObjectPtr<T>
share (T *object)
{
  return GObjectPtr<T> (static_cast<T *> (g_object_ref (object)));
}

} // namespace sis

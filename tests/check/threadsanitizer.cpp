// SPDX-License-Identifier: LGPL-2.1-or-later
/* ThreadSanitizer does not see GLib's locks: GLib is not built with it, and
 * makes them of futexes. So that it knows what GStreamer, GIO and libsoup order
 * by them, these functions go before GLib's, and tell it. They tell no more
 * than the locks mean: a race of code that holds none is reported. */
#include <gio/gio.h>

#include <dlfcn.h>

extern "C" {
void __tsan_acquire (void *address);
void __tsan_release (void *address);
}

namespace {

template <typename Function>
Function *
next (const char *name)
{
  return reinterpret_cast<Function *> (dlsym (RTLD_NEXT, name));
}

} // namespace

#define NEXT(name) static auto *const real = next<decltype (name)> (#name)

/* `lock` or `try_lock`, and `unlock`. */
#define LOCK(name, Type)                                                       \
  void name (Type *lock)                                                       \
  {                                                                            \
    NEXT (name);                                                               \
    real (lock);                                                               \
    __tsan_acquire (lock);                                                     \
  }
#define TRY_LOCK(name, Type)                                                   \
  gboolean name (Type *lock)                                                   \
  {                                                                            \
    NEXT (name);                                                               \
    const gboolean is_mine = real (lock);                                      \
    if (is_mine)                                                               \
      __tsan_acquire (lock);                                                   \
    return is_mine;                                                            \
  }
#define UNLOCK(name, Type)                                                     \
  void name (Type *lock)                                                       \
  {                                                                            \
    NEXT (name);                                                               \
    __tsan_release (lock);                                                     \
    real (lock);                                                               \
  }

#pragma GCC visibility push(default)
extern "C" {

LOCK (g_mutex_lock, GMutex)
TRY_LOCK (g_mutex_trylock, GMutex)
UNLOCK (g_mutex_unlock, GMutex)
LOCK (g_rec_mutex_lock, GRecMutex)
TRY_LOCK (g_rec_mutex_trylock, GRecMutex)
UNLOCK (g_rec_mutex_unlock, GRecMutex)
LOCK (g_rw_lock_reader_lock, GRWLock)
TRY_LOCK (g_rw_lock_reader_trylock, GRWLock)
UNLOCK (g_rw_lock_reader_unlock, GRWLock)
LOCK (g_rw_lock_writer_lock, GRWLock)
TRY_LOCK (g_rw_lock_writer_trylock, GRWLock)
UNLOCK (g_rw_lock_writer_unlock, GRWLock)

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  NEXT (g_cond_wait);
  __tsan_release (mutex);
  real (cond, mutex);
  __tsan_acquire (mutex);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end)
{
  NEXT (g_cond_wait_until);
  __tsan_release (mutex);
  const gboolean is_signalled = real (cond, mutex, end);
  __tsan_acquire (mutex);
  return is_signalled;
}

/* The last one to go destroys what the others have worked on. */
void (g_object_unref) (void *object)
{
  NEXT (g_object_unref);
  __tsan_release (object);
  __tsan_acquire (object);
  real (object);
}

} // extern "C"
#pragma GCC visibility pop

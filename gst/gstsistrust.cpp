// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gstsistrust.h"

#include "sis/base/guarded.h"

#include <glib/gstdio.h>
#include <vector>

namespace sis {
namespace {

/* What another file, or another content, differs in. */
struct FileId
{
  std::string path;
  GStatBuf stat{};

  bool operator== (const FileId &other) const noexcept
  {
    return path == other.path && stat.st_dev == other.stat.st_dev
           && stat.st_ino == other.stat.st_ino
           && stat.st_size == other.stat.st_size
           && stat.st_mtim.tv_sec == other.stat.st_mtim.tv_sec
           && stat.st_mtim.tv_nsec == other.stat.st_mtim.tv_nsec;
  }
};

struct Loaded
{
  FileId file;
  std::weak_ptr<void> database;
};

Guarded<std::vector<Loaded>> &
all_loaded ()
{
  static auto *loaded = new Guarded<std::vector<Loaded>>;
  return *loaded;
}

} // namespace

std::shared_ptr<void>
load_trust (const std::string &path, GError **error)
{
  FileId file{ .path = path };
  /* What is wrong with the file, the database says. */
  g_stat (path.c_str (), &file.stat);
  auto loaded = all_loaded ().lock ();
  std::erase_if (*loaded,
                 [] (const Loaded &one) { return one.database.expired (); });
  for (const Loaded &one : *loaded)
    if (auto database = one.database.lock (); database && one.file == file)
      return database;
  GTlsDatabase *made = g_tls_file_database_new (path.c_str (), error);
  if (made == nullptr)
    return nullptr;
  std::shared_ptr<void> database (made, g_object_unref);
  loaded->push_back ({ .file = std::move (file), .database = database });
  return database;
}

} // namespace sis

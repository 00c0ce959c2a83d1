#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# valgrind.sh [OPTION…] PROGRAM [ARGUMENT…]: runs a test under valgrind. The
# registry of all plugins is made without it: with it, that takes minutes, and
# their leaks are not ours.
set -eu

if [ -n "${GST_REGISTRY:-}" ] && [ ! -e "$GST_REGISTRY" ]; then
  gst-inspect-1.0 sissink >/dev/null
fi
# A test that counts allocations has operators new and delete of its own.
exec valgrind --quiet --error-exitcode=1 --leak-check=full \
  --show-leak-kinds=definite --errors-for-leak-kinds=definite \
  --soname-synonyms=somalloc=nouserintercepts "$@"

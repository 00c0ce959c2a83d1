#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds and runs all tests. Installs the packages first, so that it is all that
# a fresh machine needs. With CI=true in the environment, warnings are errors.
#
#   sh tests/run.sh [--sanitize LIST] [--setup NAME] [TEST…]
#
# --sanitize LIST: address,undefined or thread; in a build folder of its own.
# --setup NAME: leaks (GStreamer objects, by its tracer) or valgrind.
# What is slow makes its tests patient, and repeat things less often; by which
# factors is printed.
# TEST: names of tests as in `meson test --list`; otherwise all.
# The last line is `N passed, N failed, N skipped`, counting test cases. Exit
# status 1 if any failed or none ran.
set -eu

usage() {
  sed -n '/^# Builds/,/^set/ { /^#/ s/^# \{0,1\}//p }' "$0"
}

root=$(cd "$(dirname "$0")/.." && pwd)
sanitize=
setup=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --sanitize) sanitize=${2:?which sanitizer?}; shift 2 ;;
    --setup) setup=${2:?which setup?}; shift 2 ;;
    -*) usage >&2; exit 2 ;;
    *) break ;;
  esac
done

. "$root/tests/build.sh"
folder=$root/build
patience=1
scale=1
case $sanitize,$setup in
  thread,) patience=6 scale=20 ;;
  ,valgrind) patience=8 scale=20 ;;
  ,*) ;;
  *) patience=4 ;;
esac
[ "$setup" != valgrind ] || sh "$root/tests/install-deps.sh" valgrind
if [ -z "$sanitize" ]; then
  configure "$folder" -Dtests=enabled
else
  folder=$root/build-$(echo "$sanitize" | tr , -)
  # Such code takes the compiler long, and makes it warn where nothing is wrong.
  configure "$folder" -Dtests=enabled -Dexamples=disabled \
    -Dbenchmarks=disabled -Doptimization=1 -Dcpp_args=-g1 -Dwerror=false \
    -Db_sanitize="$sanitize" -Db_lundef=false
  # GLib, GStreamer and gst-plugin-scanner are not built with a sanitizer.
  # What GLib keeps of freed memory they would not know to be free.
  export GST_REGISTRY_FORK=no G_SLICE=always-malloc
  asan=detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1
  tsan=ignore_noninstrumented_modules=1:history_size=5:die_after_fork=0
  export ASAN_OPTIONS="${ASAN_OPTIONS:-$asan}"
  export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"
  export TSAN_OPTIONS="${TSAN_OPTIONS:-$tsan}"
  # ThreadSanitizer cannot follow a process of threads that forks.
  [ "$sanitize" != thread ] || export CK_FORK=no
fi
[ "$patience" = 1 ] || export CK_TIMEOUT_MULTIPLIER="$patience"
[ "$scale" = 1 ] || export SIS_CHECK_SCALE="$scale"
build "$folder"

# Some programs look for a home that can be written to.
if [ ! -w "${HOME:-/nonexistent}" ]; then
  mkdir -p "$folder/home"
  export HOME="$folder/home"
fi

# The log of an earlier run must not be taken for this one's.
log=$folder/meson-logs/testlog${setup:+-$setup}.json
rm -f "$log"
status=0
set -- --no-rebuild --print-errorlogs --timeout-multiplier "$patience" \
  ${setup:+--setup "$setup"} "$@"
# With long deadlines tests mostly wait.
[ "$patience" = 1 ] || set -- --num-processes "$((3 * $(nproc)))" "$@"
[ "$patience" = 1 ] || echo "Deadlines are $patience times as long as usual, \
and what is repeated is repeated 1/$scale times as often."
echo "\$ meson test -C $folder $*"
meson test -C "$folder" "$@" || status=$?
if [ ! -e "$log" ]; then
  echo "run: meson test ended with status $status and without a log" >&2
  exit 1
fi
python3 "$root/tests/report.py" "$log" || status=1
exit "$status"

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fuzzes with libFuzzer under the address and undefined behaviour sanitizers,
# one target after the other. Needs clang++ (CXX, or the newest that there is)
# and its runtime libraries: on Debian 12, clang-14 and libclang-rt-14-dev.
#
#   sh tests/fuzz/run.sh [--seconds N] [--runs N] [TARGET…]
#
# --seconds N: for each target; 60 if nothing is said.
# --runs N: instead, until each was executed so often.
# TARGET: message, errorbody, settings, …; otherwise all.
# What was found worth keeping is kept in build-fuzz/corpus for the next run,
# an input that fails in build-fuzz/TARGET-*. Ends with a table, and with exit
# status 1 if a target failed.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/fuzz
folder=$root/build-fuzz
limit=-max_total_time=60
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) limit=-max_total_time=${2:?how many?}; shift 2 ;;
    --runs) limit=-runs=${2:?how many?}; shift 2 ;;
    -*) sed -n '/^# Fuzzes/,/^set/ { /^#/ s/^# \{0,1\}//p }' "$0" >&2; exit 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || set -- $(cd "$here" && ls fuzz_*.cpp | sed 's/fuzz_\(.*\).cpp/\1/')

compiler=${CXX:-}
for name in clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 \
  clang++-14; do
  [ -n "$compiler" ] || compiler=$(command -v "$name" || true)
done
[ -n "$compiler" ] || { echo "run: there is no clang++" >&2; exit 2; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ! -e "$folder/build.ninja" ]; then
  CXX=$compiler meson setup -Dbuildtype=debugoptimized -Dtests=disabled \
    -Dserver=disabled -Dfuzzing=enabled -Db_lundef=false \
    -Db_sanitize=address,undefined -Dcpp_args=-fsanitize=fuzzer-no-link \
    "$folder" "$root" >"$log" 2>&1 || { cat "$log" >&2; exit 2; }
fi
for target; do
  ninja -C "$folder" "tests/fuzz/fuzz_$target" >"$log" ||
    { tail -n 50 "$log" >&2; exit 2; }
done

# Longer inputs are made of these by the target itself, where that matters; as
# they are slow, they have their turn less often.
options="-timeout=20 -rss_limit_mb=1024 -print_final_stats=1
  -entropic_scale_per_exec_time=1"
export ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

# fuzz TARGET: its line of the table.
fuzz() {
  kept=$folder/corpus/$1
  output=$folder/$1.log
  mkdir -p "$kept"
  seeds=
  [ ! -d "$here/corpus/$1" ] || seeds=$here/corpus/$1
  [ "$1" != message ] ||
    seeds="$seeds $root/tests/check/data/samples $root/tests/check/data/hostile"
  # Each step of a session's script takes its time.
  [ "$1" = session ] && length=1024 || length=4096
  words=$here/dictionaries/$1.dict
  [ -e "$words" ] && words=-dict=$words || words=
  start=$(date +%s)
  result=clean
  "$folder/tests/fuzz/fuzz_$1" $options -max_len=$length $words "$limit" \
    -artifact_prefix="$folder/$1-" "$kept" $seeds >"$output" 2>&1 || {
    result=FAILED
    tail -n 60 "$output" >&2
  }
  spent=$(($(date +%s) - start))
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$output")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$output" | tail -n 1)
  all=$(sed -n 's/^INFO: Loaded 1 modules *(\([0-9]*\) .*/\1/p' "$output" |
    head -n 1)
  printf '| %s | %s | %s | %s of %s | %s |\n' "$1" "${executions:-?}" \
    "$((${executions:-0} / (spent > 0 ? spent : 1)))" "${edges:-?}" \
    "${all:-?}" "$result"
}

status=0
table=
for target; do
  echo "\$ fuzz_$target $limit" >&2
  line=$(fuzz "$target")
  case $line in *FAILED*) status=1 ;; esac
  table="$table$line
"
done
echo "$("$compiler" --version | head -n 1), $(sed -n 's/^model name.*: //p' \
  /proc/cpuinfo | head -n 1), $(date +%F)"
echo "| target | executions | a second | edges covered | result |"
echo "| --- | --- | --- | --- | --- |"
printf '%s' "$table"
exit "$status"

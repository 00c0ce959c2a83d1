#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes the table of README.md: 24 hours of audio for one sink, and an hour each
# for a hundred. Builds first.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/build.sh"
configure "$root/build" -Dtests=enabled
build "$root/build"

cd "$root/build"
export GST_PLUGIN_PATH_1_0=gst GST_REGISTRY=tests/soak/soak.registry
export G_MESSAGES_DEBUG='' GSETTINGS_BACKEND=memory CK_TIMEOUT_MULTIPLIER=4
# To look through all plugins takes more memory than the soak.
gst-inspect-1.0 sissink >/dev/null

soak() {
  SOAK_SINKS=$1 SOAK_SECONDS=$2 tests/soak/soak 2>&1 || true
}

cat <<'END'
| sinks | hours each | time | faults | words in | out | lost | twice | peak memory | threads |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
END
status=0
for size in "1 86400" "100 3600"; do
  # shellcheck disable=SC2086
  output=$(soak $size)
  echo "$output" | grep '^|' || true
  echo "$output" | grep -q '^100%' || { echo "$output" >&2; status=1; }
done
exit "$status"

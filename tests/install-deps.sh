#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs the Debian packages that building, the tests and the demo need.
# Says and does nothing if all of them are there. Needs root or sudo.
#
#   sh tests/install-deps.sh [MORE…]
#
# MORE: packages that are needed besides.
set -eu

packages="
  g++ meson ninja-build pkg-config python3
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  libsoup-3.0-dev libjson-glib-dev libgnutls28-dev
  libpocketsphinx-dev pocketsphinx-en-us pocketsphinx-testdata
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
  gstreamer1.0-plugins-bad gstreamer1.0-x
  python3-gi gir1.2-gstreamer-1.0
  glib-networking ca-certificates $*"

# Fails, and says how to go on by hand.
give_up() {
  echo "install-deps: $1" >&2
  echo "install-deps: the packages needed are:" $packages >&2
  exit 1
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "install-deps: no apt-get here; taking for granted that these, or" \
    "their like, are installed:" $packages >&2
  exit 0
fi

missing=
for package in $packages; do
  is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null ||
    give_up "installing needs root, and there is no sudo"
  as_root=sudo
fi

echo "Installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -qq -y \
    -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}
# One source that does not answer need not be the one that is needed.
apt update || echo "install-deps: apt-get update failed; going on" >&2
apt install --no-install-recommends $missing || {
  tail -n 20 "$log" >&2
  give_up "apt-get install failed (its last lines are above)"
}

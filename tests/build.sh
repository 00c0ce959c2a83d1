# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by demo.sh and run.sh, not run: installs what is needed, and builds.
# Expects `root`, the folder of the project.

# configure FOLDER [OPTION…]: installs the packages, makes the build folder or
# brings its options up to date. In CI a warning is an error.
configure() {
  sh "$root/tests/install-deps.sh"
  folder=$1
  shift
  [ "${CI:-}" != true ] || set -- -Dwerror=true "$@"
  if [ ! -e "$folder/build.ninja" ]; then
    quietly meson setup "$@" "$folder" "$root"
  elif [ $# -gt 0 ]; then
    quietly meson configure "$@" "$folder"
  fi
}

# build FOLDER [TARGET…]
build() {
  folder=$1
  shift
  quietly meson compile -C "$folder" "$@"
}

# Shows what a command prints only if it fails.
quietly() {
  echo "\$ $*"
  output=$(mktemp)
  "$@" >"$output" 2>&1 || {
    status=$?
    tail -n 100 "$output" >&2
    rm -f "$output"
    return "$status"
  }
  rm -f "$output"
}

#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Transcribes recordings with sissink and a local sis-server. Installs the
# packages and builds first, so that it is all that a fresh machine needs.
#
#   sh tests/demo.sh [--true-speed] [RECORDING…]
#
# Without arguments: recordings of human speech from Debian, compared with what
# is spoken. RECORDING: any file that decodebin reads; *.raw is taken for
# 16 bit little endian mono at 16 kHz. The server understands English.
# Recordings are sent as fast as the server listens; --true-speed sends them as
# if they were spoken now. Exit status 1 if anything failed or too few words
# were recognised.
set -eu

usage() {
  sed -n '/^# Trans/,/^set/ { /^#/ s/^# \{0,1\}//p }' "$0"
}

root=$(cd "$(dirname "$0")/.." && pwd)
sync=sync=false
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  --true-speed) sync=; shift ;;
esac
for recording; do
  if [ ! -f "$recording" ] || [ ! -r "$recording" ]; then
    echo "demo: cannot read the recording '$recording'" >&2
    exit 1
  fi
done

. "$root/tests/build.sh"
echo "== Building (a minute or two, the first time)"
configure "$root/build"
build "$root/build" gstsis sis-server

export GST_PLUGIN_PATH="$root/build/gst"
export GST_REGISTRY="$root/build/registry.bin"

# The server runs until this script ends; its first line says where it listens.
scratch=$(mktemp -d)
server=
clean_up() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo
echo "== Starting sis-server, a local look-alike of the service (not the cloud)"
echo "\$ export GST_PLUGIN_PATH=$GST_PLUGIN_PATH GST_REGISTRY=$GST_REGISTRY"
echo "\$ build/tests/server/sis-server --port=0 &"
mkfifo "$scratch/listening"
"$root/build/tests/server/sis-server" --port=0 >"$scratch/listening" \
  2>"$scratch/log" &
server=$!
exec 3<"$scratch/listening"
if ! read -r line <&3; then
  cat "$scratch/log" >&2
  echo "demo: sis-server did not start" >&2
  exit 1
fi
echo "$line"
endpoint=${line#listening on }

failed=0

# transcribe FILE [OPTION…]: a heading, the gst-launch-1.0 line, the transcripts
transcribe() {
  file=$1
  shift
  echo
  echo "== ${file##*/}"
  case $file in
    *.raw) decode='rawaudioparse sample-rate=16000 num-channels=1' ;;
    *) decode=decodebin ;;
  esac
  python3 "$root/tests/transcribe.py" "$@" gst-launch-1.0 -m \
    filesrc location="$file" ! $decode ! \
    sissink $sync endpoint="$endpoint" project-id=demo || failed=1
}

# The words that are spoken in a librivox clip, from the list beside it.
reference() {
  sed -n "s|^<s> \(.*\) </s> ($1)\$|\1|p" "$librivox/transcription"
}

if [ -n "$sync" ]; then
  echo
  echo "With sync=false a file is sent as fast as the server listens; without" \
    "it, at true speed."
fi
if [ $# -gt 0 ]; then
  for recording; do
    transcribe "$recording"
  done
else
  data=/usr/share/pocketsphinx/test/data
  librivox=$data/librivox
  transcribe "$data/goforward.raw" --least 0.5 \
    --reference "go forward ten meters"
  for clip in 0870 0880 0890 0920 0930; do
    name=sense_and_sensibility_01_austen_64kb-$clip
    case $clip in
      0880 | 0930) least=0.5 ;;
      *) least=0 ;;
    esac
    transcribe "$librivox/$name.wav" --least $least \
      --reference "$(reference "$name")"
  done
fi

echo
if [ "$failed" -ne 0 ]; then
  cat "$scratch/log" >&2
  echo "demo: something failed; see above" >&2
  exit 1
fi
echo "All recordings were transcribed."

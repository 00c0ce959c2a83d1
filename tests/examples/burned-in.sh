#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Burns what is said into video, and makes of it the picture in the README.
#
#   sh burned-in.sh ENDPOINT SPEECH PICTURE
#
# ENDPOINT: such as ws://127.0.0.1:8080, where a sis-server listens. SPEECH: a
# recording. PICTURE: the PNG file to be made, of the frame 1 s from its start.
set -eu

endpoint=$1
speech=$2
picture=$3
frames=$(mktemp -d)
trap 'rm -rf "$frames"' EXIT

# Each frame waits until it is known what was said then (wait-text). The audio
# needs no queue: nothing else is made of it.
gst-launch-1.0 -q \
  videotestsrc pattern=smpte75 num-buffers=50 \
  ! video/x-raw,width=640,height=240,framerate=25/1 \
  ! textoverlay name=captions wait-text=true font-desc='Sans 22' \
    shaded-background=true \
  ! videoconvert ! pngenc ! multifilesink location="$frames/%02d.png" \
  filesrc location="$speech" ! decodebin \
  ! sistranscriber endpoint="$endpoint" project-id=demo \
  ! captions.text_sink
cp "$frames/25.png" "$picture"

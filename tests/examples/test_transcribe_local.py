# SPDX-License-Identifier: LGPL-2.1-or-later
"""sis-transcribe with a sis-server of its own, which recognises speech.

    test_transcribe_local.py SIS_TRANSCRIBE
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import programs
from tap import Tap

SPEECH = pathlib.Path("/usr/share/pocketsphinx/test/data/goforward.raw")


def problems_of(ended, text, *children):
    problems = [] if ended == 0 else [f"it ended with {ended}"]
    if not {"go", "ten", "meters"} & set(text.split()):
        problems.append(f"it understood {text!r}")
    return problems + [f"its server {child} still runs"
                       for child in children if programs.is_alive(child)]


def check_file(tap, program, speech, folder):
    output = folder / "out.vtt"
    # Credentials of the environment are not for this server.
    env = dict(os.environ, SIS_AUTH_TOKEN="t", HUAWEICLOUD_SDK_AK="a")
    done = subprocess.run([program, "--local", speech, "-o", output], env=env,
                          timeout=programs.PATIENCE)
    text = output.read_text("utf-8")
    tap.check("--local asks a server of its own",
              problems_of(done.returncode, text) +
              ([] if text.startswith("WEBVTT\n\n00:00:0") else [text]))


def check_end(tap, program, speech):
    source = (f"filesrc location={speech} ! wavparse ! identity sync=true ! "
              "audio/x-raw")
    screen = programs.Terminal([program, "--local", "--source", source])
    screen.read_until(r"\[0:0[3-9]\]")
    children = programs.children(screen.child.pid)
    screen.press(b"\x03")
    ended = screen.finish()
    tap.check("there is a server", [] if children else ["none"])
    tap.check("Ctrl-C does not end the server before the last words",
              problems_of(ended, " ".join(screen.lines()), *children))

    screen = programs.Terminal([program, "--local", "--source",
                                "audiotestsrc is-live=true"])
    screen.read_until(r"\[0:0[1-9]\]")
    children = programs.children(screen.child.pid)
    screen.child.send_signal(signal.SIGKILL)
    ended = screen.finish()
    tap.check("the server does not outlive the program, however that ends",
              ([] if children and ended == -signal.SIGKILL else
               [f"{ended}, {children}"]) +
              [f"{child} still runs" for child in children
               if not programs.has_ended(child)])


def main():
    tap = Tap()
    if not SPEECH.exists():
        print("1..0 # SKIP no recordings of pocketsphinx-testdata")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        speech = programs.write_wave(folder / "speech.wav", 0,
                                     SPEECH.read_bytes() + bytes(20 * 32000))
        check_file(tap, sys.argv[1], speech, folder)
        check_end(tap, sys.argv[1], speech)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

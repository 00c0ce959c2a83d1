# SPDX-License-Identifier: LGPL-2.1-or-later
"""The example programs.

    test_clients.py SCRIPTED_SERVER CLIENT…     each CLIENT a command
    test_clients.py --picture SCRIPTED_SERVER BURNED_IN_SH
"""

import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import zlib

import programs
from tap import Tap


def run(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, encoding="utf-8",
                          timeout=programs.PATIENCE)


def check_client(tap, scripted, client, speech):
    name = pathlib.Path(shlex.split(client)[-1]).name
    pipeline = (f"filesrc location={speech} ! decodebin ! sissink sync=false "
                "project-id=demo auth-token=t endpoint=")
    with programs.server(scripted, "--", "今天", "天气") as address:
        done = run(*shlex.split(client), pipeline + address)
    tap.check(f"{name} prints what is said, and when",
              [] if done.returncode == 0 and done.stdout ==
              "   0.000 -    2.000  今天\n   2.000 -    3.000  天气\n"
              else [f"{done.returncode}: {done.stdout}{done.stderr}"])
    with programs.server(scripted, "--refuse=401",
                         "--error=APIG.0301") as address:
        done = run(*shlex.split(client), pipeline + address)
    tap.check(f"{name} tells the details of an error",
              [] if done.returncode == 1 and re.search(
                  "other credentials.*error_code: APIG.0301", done.stderr, re.S)
              else [f"{done.returncode}: {done.stderr}"])
    done = run(*shlex.split(client), "nonsense")
    tap.check(f"{name} tells what is wrong with its pipeline",
              [] if done.returncode != 0 and "nonsense" in done.stderr
              else [f"{done.returncode}: {done.stderr}"])


def lines_of(picture):
    """Width, and the rows of a PNG file as they are filtered: equal rows are
    equal pictures where the same program wrote them."""
    data = pathlib.Path(picture).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "it is no PNG file"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    packed, at = b"", 8
    while at < len(data):
        length, = struct.unpack(">I", data[at:at + 4])
        if data[at + 4:at + 8] == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += length + 12
    raw = zlib.decompress(packed)
    size = len(raw) // height
    return width, [raw[i:i + size] for i in range(0, len(raw), size)]


def check_picture(tap, scripted, script, folder, speech):
    pictures = []
    for text in ("one caption", "quite another caption", " "):
        picture = folder / "picture.png"
        with programs.server(scripted, "--", text) as address:
            done = run("sh", script, address, speech, picture)
        tap.check(f"a picture is made of '{text}'",
                  [] if done.returncode == 0 and picture.exists()
                  else [done.stdout + done.stderr])
        pictures.append(lines_of(picture))
        picture.unlink()
    one, other, bare = (rows for _, rows in pictures)
    changed = [i for i, row in enumerate(bare) if row != one[i]]
    tap.check("the caption is in it, and nowhere but below",
              [] if len(changed) > 10 and min(changed) > len(bare) // 2
              else [f"rows {changed} differ"])
    tap.check("another text is another picture",
              [] if one != other else ["it is the same"])


def main():
    arguments = sys.argv[1:]
    wants_picture = arguments[0] == "--picture"
    scripted, *what = arguments[1:] if wants_picture else arguments
    tap = Tap()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        speech = programs.write_wave(folder / "speech.wav", 3)
        if wants_picture:
            check_picture(tap, scripted, what[0], folder, speech)
        else:
            for client in what:
                check_client(tap, scripted, client, speech)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

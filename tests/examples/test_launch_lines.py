# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the command lines of the README and of the elements' documentation.

    test_launch_lines.py SOURCE_ROOT SIS_TRANSCRIBE GST_LAUNCH SCRIPTED_SERVER

They are run as they stand, but that a server of the tests is asked, and that
devices are replaced by their likes.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import programs
from tap import Tap

TEXT = "今天天气很好"
PROGRAMS = ("gst-launch-1.0", "sis-transcribe")
SHOWN = "shown.gray"
WIDTH, HEIGHT = 320, 240
DARK = 64  # of 255; black may be 16
HEARD = "audiotestsrc is-live=true num-buffers=150"


def replacements(address, programs_here):
    cloud = f"endpoint={address} project-id=demo"
    return {
        **programs_here,
        "endpoint=ws://127.0.0.1:8080": f"endpoint={address}",
        "region=cn-north-4": cloud,
        "--local": f"-s endpoint={address} -s project-id=demo",
        "--microphone": f"--source '{HEARD}'",
        "autoaudiosrc": HEARD,
        "v4l2src": "videotestsrc is-live=true num-buffers=30 pattern=black ! "
                   f"video/x-raw,framerate=10/1,width={WIDTH},height={HEIGHT}",
        "autovideosink": f"video/x-raw,format=GRAY8 ! filesink sync=true "
                         f"location={SHOWN}",
    }


def commands_in(text):
    """Whole commands, of lines that a backslash joins."""
    joined = re.sub(r"\\\n\s*(?:\*\s+)?", "", text)
    return [line.strip().removeprefix("* ") for line in joined.splitlines()
            if line.strip().removeprefix("* ").startswith(PROGRAMS)]


def documented_commands(root):
    readme = (root / "README.md").read_text("utf-8")
    for block in re.findall(r"^```sh\n(.*?)^```", readme, re.M | re.S):
        yield from commands_in(block)
    for path in sorted((root / "gst").glob("*.cpp")):
        for block in re.findall(r"\|\[\n(.*?)\]\|", path.read_text("utf-8"),
                                re.S):
            yield from commands_in(block)


def here(command, address, programs_here):
    words = []
    known = replacements(address, programs_here)
    for word in shlex.split(command):
        if word == "region=cn-north-4" and words[-1] == "-s":
            words += [f"endpoint={address}", "-s", "project-id=demo"]
        else:
            words += shlex.split(known[word]) if word in known else [word]
    return words


def run(words, folder):
    return subprocess.run(words, cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          encoding="utf-8", timeout=programs.PATIENCE)


def outputs(command):
    return (re.findall(r"filesink location=(\S+)", command) +
            re.findall(r" -o (\S+)", command))


def without_captions(path):
    """What is said is all that is not black, and textoverlay draws it below. A
    busy machine may be late with some of it."""
    data = path.read_bytes() if path.exists() else b""
    path.unlink(missing_ok=True)
    size = WIDTH * HEIGHT
    frames = [data[at:at + size] for at in range(0, len(data), size)]
    half = size // 2
    bare = [i for i, frame in enumerate(frames) if max(frame[half:]) < DARK]
    marred = [i for i, frame in enumerate(frames) if max(frame[:half]) >= DARK]
    return [problem for problem, is_so in [
        (f"{len(frames)} frames are shown", len(frames) != 30),
        (f"frames {bare} have no caption", len(bare) > 10),
        (f"frames {marred} have more", marred)] if is_so]


def check(tap, command, address, programs_here, folder):
    for name in outputs(command):
        (folder / name).unlink(missing_ok=True)
    done = run(here(command, address, programs_here), folder)
    problems = [] if done.returncode == 0 else [
        f"it ended with {done.returncode}: {done.stdout}"]
    texts = [(folder / name).read_text("utf-8") for name in outputs(command)
             if (folder / name).exists()]
    if len(texts) < len(outputs(command)):
        problems.append(f"it did not write {outputs(command)}")
    if "fdsink" in command or "-o" not in command and " -s " in command:
        texts = [done.stdout]
    problems += [f"the text is not in: {text}" for text in texts
                 if TEXT not in text]
    if "autovideosink" in command:
        problems += without_captions(folder / SHOWN)
    tap.check(re.sub(r"\s+", " ", command).replace("#", "\\#"), problems)


def check_channels(tap, commands, scripted, programs_here, folder):
    """Of the channels only the first one has words."""
    command = next(line for line in commands if "broadcast.wav" in line)
    with programs.server(scripted, "--words") as address:
        done = run(here(command, address, programs_here), folder)
    left = (folder / "left.vtt").read_text("utf-8")
    right = (folder / "right.vtt").read_text("utf-8")
    words = re.findall(r"w\d+", left)
    tap.check("each channel has its own text",
              [] if done.returncode == 0 and re.findall(r"w\d+", right) == []
              and words == [f"w{i}" for i in range(30)]
              else [done.stdout, left, right])


def main():
    root = pathlib.Path(sys.argv[1])
    programs_here = dict(zip(("sis-transcribe", "gst-launch-1.0"),
                             (shlex.quote(os.path.abspath(path))
                              for path in sys.argv[2:4])))
    scripted = sys.argv[4]
    tap = Tap()
    commands = list(documented_commands(root))
    tap.check("there are commands", [] if len(commands) > 10 else commands)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        programs.write_wave(folder / "speech.wav", 3)
        programs.write_channels(folder / "broadcast.wav", 3)
        # Credentials are for the cloud; this server is asked without.
        with programs.server(scripted, "--", TEXT) as address:
            for command in commands:
                check(tap, command, address, programs_here, folder)
        check_channels(tap, commands, scripted, programs_here, folder)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

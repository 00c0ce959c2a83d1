# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a gst-launch-1.0 -m line and prints the transcripts among its messages.

    transcribe.py [--reference TEXT [--least FRACTION]] COMMAND...

With a reference, also prints how many of its words were recognised, in order.
Exit status: the command's; 1 if its last session did not end as it should; 2 if
fewer than the fraction were recognised.
"""

import argparse
import re
import shlex
import subprocess
import sys

ESCAPE = re.compile(rb"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)


def unescape(text):
    """GStreamer's serialised strings: octal for what is not ASCII, a
    backslash before what is not a letter."""
    raw = ESCAPE.sub(
        lambda m: bytes([int(m[1], 8)]) if m[1] else m[2],
        text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "replace")


def field(structure, name):
    """The first field of that name in a serialised structure, or None."""
    match = re.search(
        rf' {name}=\(\w+\)(?:"((?:[^"\\]|\\.)*)"|([^,;\s]*))', structure)
    if match is None:
        return None
    return match[2] if match[1] is None else unescape(match[1])


def words_in_order(reference, heard):
    """How many words of the one come in the other in the same order."""
    row = [0] * (len(heard) + 1)
    for word in reference:
        diagonal = 0
        for i, other in enumerate(heard, 1):
            best = diagonal + 1 if word == other else max(row[i], row[i - 1])
            diagonal, row[i] = row[i], best
    return row[-1]


def words(text):
    return re.findall(r"[\w']+", text.lower())


def show(structure):
    """Prints a final and returns its words."""
    text = field(structure, "text") or ""
    start = field(structure, "running-time")
    if start is None:
        print(f"           {text}")
    else:
        ms = int(start) // 1_000_000
        print(f"  {ms // 60_000:3}:{ms // 1000 % 60:02}.{ms % 1000:03}  {text}")
    sys.stdout.flush()
    return words(text)


def transcribe(command):
    """Exit status, words, and the reasons for which sessions ended."""
    heard, reasons = [], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                          encoding="utf-8", errors="surrogateescape") as child:
        for line in child.stdout:
            message = re.match(r"Got message #\d+ .* \(element\): (sis-\w+),"
                               r"(.*)", line)
            if message is None:
                continue
            kind, fields = message.groups()
            if kind == "sis-end":
                reasons.append(field(fields, "reason"))
            elif kind == "sis-result" and field(fields, "is_final") == "true":
                heard += show(fields)
    return child.returncode, heard, reasons


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference")
    parser.add_argument("--least", type=float, default=0.0)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()

    print("$ " + shlex.join(args.command).replace("'!'", "!"), flush=True)
    status, heard, reasons = transcribe(args.command)
    if status != 0:
        print(f"  failed: gst-launch-1.0 ended with status {status}")
        return status if status > 0 else 1
    if reasons[-1:] != ["NORMAL"]:
        print("  failed: sessions ended with", ", ".join(reasons) or "nothing")
        return 1
    if not heard:
        print("  (no words recognised)")
    if args.reference is None:
        return 0
    reference = words(args.reference)
    found = words_in_order(reference, heard)
    print(f"  spoken: {args.reference}")
    print(f"  {found} of {len(reference)} words recognised")
    return 2 if found < args.least * len(reference) else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads the messages of sissink, and the details of its errors.

    bus-client.py PIPELINE

The pipeline is written as for gst-launch-1.0, such as
"filesrc location=speech.wav ! decodebin ! sissink project-id=…".
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


def print_result(result):
    """The text of one utterance, and where in the stream it was said."""
    if not result.get_boolean("is_final").value:
        return
    start = result.get_uint64("running-time").value
    end = start + result.get_uint64("duration").value
    print(f"{start / Gst.SECOND:8.3f} - {end / Gst.SECOND:8.3f}  "
          f"{result.get_string('text')}")


def print_error(message):
    """Errors of other elements have no such details."""
    error, _ = message.parse_error()
    details = message.parse_error_details()
    print(error.message, file=sys.stderr)
    if details is None or details.get_name() != "sis-error":
        return
    if error.matches(Gst.ResourceError.quark(),
                     Gst.ResourceError.NOT_AUTHORIZED):
        print("Ask the user for other credentials.", file=sys.stderr)
    for field in ("error_code", "trace_id", "request_id"):
        if details.has_field(field):
            print(f"{field}: {details.get_string(field)}", file=sys.stderr)


def listen(bus):
    """Until the last transcript was there, or something failed."""
    types = (Gst.MessageType.ELEMENT | Gst.MessageType.EOS |
             Gst.MessageType.ERROR)
    while True:
        message = bus.timed_pop_filtered(Gst.CLOCK_TIME_NONE, types)
        if message.type == Gst.MessageType.EOS:
            return True
        if message.type == Gst.MessageType.ERROR:
            print_error(message)
            return False
        if message.get_structure().get_name() == "sis-result":
            print_result(message.get_structure())


def main():
    Gst.init(None)
    if len(sys.argv) != 2:
        sys.exit("bus-client.py PIPELINE")
    try:
        pipeline = Gst.parse_launch_full(sys.argv[1], None,
                                         Gst.ParseFlags.FATAL_ERRORS)
    except GLib.Error as error:
        sys.exit(error.message)
    pipeline.set_state(Gst.State.PLAYING)
    is_good = listen(pipeline.get_bus())
    pipeline.set_state(Gst.State.NULL)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that a plugin exports nothing but what GStreamer looks up, and is
built in the ways that make an attack harder.

    hardening.py READELF PLUGIN
"""

import re
import subprocess
import sys

from tap import Tap

EXPORTED = {"gst_plugin_sis_get_desc", "gst_plugin_sis_register"}


def readelf(program, plugin, *options):
    return subprocess.run([program, "--wide", *options, plugin], check=True,
                          text=True, stdout=subprocess.PIPE).stdout


def symbols(text):
    """Names of dynamic symbols, and of those that are defined here."""
    used, defined = set(), set()
    for line in text.splitlines():
        cells = line.split()
        if len(cells) < 8 or not re.fullmatch(r"\d+:", cells[0]):
            continue
        name = cells[7].split("@")[0]
        if cells[6] == "UND":
            used.add(name)
        elif cells[4] in ("GLOBAL", "WEAK", "UNIQUE"):
            defined.add(name)
    return used, defined


def main():
    program, plugin = sys.argv[1:]
    segments = readelf(program, plugin, "--segments")
    dynamic = readelf(program, plugin, "--dynamic")
    used, defined = symbols(readelf(program, plugin, "--dyn-syms"))
    stack = re.search(r"GNU_STACK.*\s(R\w*)\s+0x", segments)
    tap = Tap()
    tap.check("two symbols are exported",
              sorted(defined ^ EXPORTED))
    tap.check("the stack is not executable",
              [] if stack and "E" not in stack[1] else [segments])
    tap.check("relocations are read-only, and none is late",
              [what for what, pattern, text in (
                  ("no RELRO", "GNU_RELRO", segments),
                  ("no BIND_NOW", r"BIND_NOW|FLAGS_1.*NOW", dynamic))
               if not re.search(pattern, text)])
    tap.check("no code is relocated",
              ["TEXTREL"] if "TEXTREL" in dynamic else [])
    tap.check("the stack is protected",
              [] if "__stack_chk_fail" in used else ["it is not"])
    tap.check("functions of the C library check their buffers",
              [] if any(name.endswith("_chk") and name.startswith("__")
                        for name in used - {"__stack_chk_fail"})
              else ["none does"])
    tap.check("libsoup 2 is not linked",
              re.findall(r"libsoup-2\S*|libsoup-gnome\S*", dynamic))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

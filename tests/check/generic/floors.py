# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that includes point down: element -> session -> {net, stream} ->
protocol -> base, and that each floor sees only the foreign headers it may.

    floors.py SOURCE_ROOT
"""

import pathlib
import re
import sys

from tap import Tap

# A floor, and the floors whose headers its files may include.
FLOORS = {
    "element": {"element", "session", "stream", "protocol", "base"},
    "session": {"session", "net", "stream", "protocol", "base"},
    "net": {"net", "protocol", "base"},
    "stream": {"stream", "protocol", "base"},
    "protocol": {"protocol", "base"},
    "base": {"base"},
}

# Foreign headers, and the floors that may include them.
FOREIGN = {
    "gst/": {"element"},
    "libsoup/": {"net"},
    "json-glib/": {"protocol"},
    "gio/": {"element", "net"},
}

# All of the session that an element may know.
DOOR = "gst/sis/session.h"

MOST_LINES = 600


def floor_of(path):
    parts = path.parts
    if parts[:2] != ("gst", "sis"):
        return "element"
    return parts[2] if len(parts) == 4 else "session"


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


class Tree:
    def __init__(self, root):
        self.root = root
        self.texts = {
            path.relative_to(root): path.read_text(encoding="utf-8")
            for path in sorted((root / "gst").rglob("*"))
            if path.suffix in (".cpp", ".h")}

    def includes(self, path):
        """Pairs of (header as written, our own file or None)."""
        for header in re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]',
                                 self.texts[path], re.M):
            places = (path.parent / header, pathlib.Path("gst") / header)
            yield header, next((p for p in places if p in self.texts), None)

    def reached(self, path):
        """Our headers and the foreign ones that `path` includes, all told."""
        ours, foreign, todo = set(), set(), [path]
        while todo:
            for header, own in self.includes(todo.pop()):
                if own is None:
                    foreign.add(header)
                elif own not in ours:
                    ours.add(own)
                    todo.append(own)
        return ours, foreign


def check_arrows(tap, tree):
    up, alien, lost = [], [], []
    for path in tree.texts:
        floor = floor_of(path)
        if floor not in FLOORS:
            up.append(f"{path} is on no known floor")
            continue
        for header, own in tree.includes(path):
            if own is not None and floor_of(own) not in FLOORS[floor]:
                up.append(f"{path} ({floor}) includes {own} ({floor_of(own)})")
            for start, floors in FOREIGN.items():
                if header.startswith(start) and floor not in floors:
                    alien.append(f"{path} ({floor}) includes <{header}>")
            if own is None and header.startswith("sis/"):
                lost.append(f"{path} includes {header}, which does not exist")
    tap.check("no include points up or sideways", up)
    tap.check("foreign headers are only where they may be", alien)
    tap.check("every header of ours exists", lost)


def check_door(tap, tree):
    door = pathlib.Path(DOOR)
    problems = []
    for path in tree.texts:
        if floor_of(path) == "element":
            problems += [f"{path} includes {own}, not {door.name}"
                         for _, own in tree.includes(path)
                         if own and floor_of(own) == "session" and own != door]
    tap.check("the element enters the session by its one door", problems)

    ours, foreign = tree.reached(door)
    tap.check(
        "nothing of the network is behind that door",
        [str(path) for path in ours if floor_of(path) == "net"] +
        [f"<{header}>" for header in foreign
         if header.startswith(tuple(FOREIGN))])
    strangers = re.findall(
        r"\b(?:G[A-Z][a-z]\w+|Soup\w+|Json[A-Z]\w+|Gst\w+|g_\w+|soup_\w+|"
        r"g(?:char|int|uint|boolean|pointer|size|double)\w*)\b",
        without_comments(tree.texts[door]))
    strangers = [s for s in strangers if s not in ("Guarded",)]
    tap.check("the door names no type of GLib, libsoup or GStreamer", strangers)


def check_sizes(tap, tree):
    files = [path for folder in ("gst", "tests")
             for path in sorted((tree.root / folder).rglob("*"))
             if path.suffix in (".cpp", ".h", ".py", ".sh")]
    tap.check("there are files to look at", [] if len(tree.texts) > 20 else
              [f"only {len(tree.texts)} below gst"])
    long, nameless = [], []
    for path in files:
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MOST_LINES:
            long.append(f"{path.relative_to(tree.root)} has {len(lines)}")
        if not any("SPDX-License-Identifier" in line for line in lines[:3]):
            nameless.append(str(path.relative_to(tree.root)))
    tap.check(f"no file has more than {MOST_LINES} lines", long)
    tap.check("every file names its licence", nameless)


def main():
    tree = Tree(pathlib.Path(sys.argv[1]).resolve())
    tap = Tap()
    check_arrows(tap, tree)
    check_door(tap, tree)
    check_sizes(tap, tree)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

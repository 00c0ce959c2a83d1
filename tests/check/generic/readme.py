# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the tables of the README with the program.

    readme.py properties README GST_INSPECT
    readme.py errors README PRINT_ERRORCODES
    readme.py documents SOURCE_ROOT
    readme.py print-errors PRINT_ERRORCODES   the error table, to be pasted
"""

import pathlib
import re
import subprocess
import sys

from tap import Tap

UNITS = {"ns": 1, "ms": 1_000_000, "s": 1_000_000_000}
TYPES = {
    "String": "string",
    "Boolean": "boolean",
    "Integer": "int",
    "Unsigned Integer": "uint",
    "Integer64": "int64",
    "Unsigned Integer64": "uint64",
    "Float": "float",
    "Double": "double",
}
STATES = {
    "changeable only in NULL or READY state": "READY",
    "changeable only in NULL, READY or PAUSED state": "PAUSED",
    "changeable in NULL, READY, PAUSED or PLAYING state": "any",
}
AGAIN = {
    "no": "no",
    "yes": "yes",
    "maybe": "maybe",
    "renew": "with a new token",
}


def output_of(*command):
    return subprocess.run(command, check=True, text=True, encoding="utf-8",
                          stdout=subprocess.PIPE).stdout


def table_below(text, heading):
    """The rows of the first table below a heading, each a list of cells."""
    below = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.M)
    if len(below) != 2:
        sys.exit(f"the README has no heading '{heading}', or several")
    table = re.search(r"^\|.*\|\n\|[-| ]+\|\n((?:\|.*\|\n)+)", below[1],
                      flags=re.M)
    if table is None:
        sys.exit(f"the README has no table below '{heading}'")
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in table[1].splitlines()]


def bare(cell):
    return cell.replace("`", "")


def same_rows(tap, what, documented, real):
    """Both ways; rows are dictionaries of name to anything."""
    tap.check(f"every {what} of the program is in the README",
              [f"{name} is missing" for name in real if name not in documented])
    tap.check(f"every {what} of the README is in the program",
              [f"{name} does not exist" for name in documented
               if name not in real])


# -- properties ---------------------------------------------------------------

def inspect(program, element):
    return output_of(program, "--no-colors", element)


def properties_of(text):
    """Name -> what gst-inspect-1.0 says of it."""
    found = {}
    for line in text.split("\nElement Properties:\n", 1)[1].splitlines():
        start = re.match(r"  (\S+)\s*: (.*)", line)
        if start and not line.startswith("   "):
            found[start[1]] = current = {"blurb": start[2], "lines": []}
        elif line.startswith("   ") and found:
            current["lines"].append(line.strip())
        elif line.strip() and not line.startswith(" "):
            break
    return found


def real_property(entry):
    """The README's cells for a property: type, access, range, default, when."""
    flags, kind, *more = entry["lines"]
    if kind.startswith("Default:"):  # of a type without one of its own
        kind, more = more[0] + " " + kind, more[1:]
    flags = flags.removeprefix("flags: ").split(", ", 2)
    access = ("write-only" if "readable" not in flags else
              "read-only" if "writable" not in flags else "")
    when = next((word for text, word in STATES.items()
                 if text in ", ".join(flags)), "–")
    rest = kind.removesuffix("Write only").strip()
    default = re.search(r"Default: (.*)$", rest)
    default = default[1].strip() if default else "–"
    limits = re.search(r"Range:\s*(\S+) -\s+(\S+)", rest)
    name = re.split(r"\.? +(?:Range|Default):", rest)[0].rstrip(".")
    if name.startswith("Enum"):
        kind = "enum"
        default = default.split('"')[1]
        limits = [match[1] for match in
                  (re.match(r"\(-?\d+\): (\S+)", line) for line in more)
                  if match]
    elif name.startswith("GstValueArray"):
        kind, limits = "array", None
        default = "empty" if default == '"<  >"' else default
    elif "GstStructure" in name:
        kind, limits = "GstStructure", None
    elif name.startswith("Object of type"):
        kind, limits = name.split('"')[1], None
    else:
        kind = TYPES.get(name, name)
        limits = [limits[1], limits[2]] if limits else None
    return {"type": kind, "access": access, "range": limits,
            "default": default.strip('"'), "when": when}


def number(text, unit):
    """"100 ms" is 100000000 where values are in ns."""
    match = re.fullmatch(r"(-?[\d.]+)(?: (ns|ms|s))?", text)
    if match is None:
        return text
    value = float(match[1])
    if match[2]:
        value = value * UNITS[match[2]] / UNITS[unit or "ns"]
    return value


def documented_property(cells):
    kind, limits, default, when, meaning = map(bare, cells)
    kind, *more = kind.split(", ")
    unit = next((word for word in more if word in UNITS), None)
    access = next((word for word in more if word.endswith("-only")), "")
    if kind == "enum":
        limits = limits.split(", ")
    elif "…" in limits:
        limits = [number(limit.strip(), unit) for limit in limits.split("…")]
    else:
        limits = None if limits in ("", "–") else limits
    return {"type": kind, "access": access, "range": limits,
            "default": number(default, unit), "when": when, "unit": unit,
            "meaning": meaning}


def differences(name, documented, real, blurb):
    problems = []
    real = dict(real)
    if real["type"] not in ("enum", "string"):
        real["default"] = number(real["default"], None)
    if real["type"] != "enum" and real["range"]:
        real["range"] = [number(limit, None) for limit in real["range"]]
    for cell, value in real.items():
        if documented[cell] != value:
            problems.append(f"{name}: {cell} is {value!r}, the README says "
                            f"{documented[cell]!r}")
    unit = documented["unit"]
    if unit and not re.search(rf"\b{unit}\b", blurb):
        problems.append(f"{name}: its blurb does not name the unit {unit}")
    if not documented["meaning"]:
        problems.append(f"{name}: the README does not say what it means")
    return problems


def compare_properties(tap, rows, real):
    same_rows(tap, "property", rows, real)
    for name, entry in real.items():
        if name in rows:
            tap.check(f"{name} is as the README says",
                      differences(name, rows[name], real_property(entry),
                                  entry["blurb"]))


def check_transcriber(tap, readme, program, ours):
    """What it has besides the properties of sissink."""
    rows = {bare(row[0]): documented_property(row[1:])
            for row in table_below(readme, "Text in the pipeline")}
    theirs = properties_of(inspect(program, "sistranscriber"))
    compare_properties(tap, rows, {
        name: entry for name, entry in theirs.items()
        if name not in ours and name not in ("name", "parent")})


def check_properties(tap, readme, program):
    rows = {bare(row[0]): documented_property(row[1:])
            for row in table_below(readme, "Properties")}
    text = inspect(program, "sissink")
    ours = properties_of(text)
    # What two other sinks have in common is the base class's.
    base = (properties_of(inspect(program, "fakesink")).keys()
            & properties_of(inspect(program, "filesink")).keys())
    tap.check("gst-inspect-1.0 tells the properties of three elements",
              [] if len(base) > 5 and len(ours) > len(base) else
              [f"{len(base)} of the base class, {len(ours)} of sissink"])
    tap.check("the element's class is Sink/Audio/Network",
              [] if re.search(r"^  Klass +Sink/Audio/Network$", text, re.M)
              else ["it is another"])
    compare_properties(tap, rows, {name: entry for name, entry in ours.items()
                                   if name not in base or name in rows})
    tap.check("every property has a blurb and says when it may change",
              [name for name, entry in ours.items() if name not in base and
               (not entry["blurb"].strip() or
                real_property(entry)["when"] == "–")])
    check_transcriber(tap, readme, program, ours)


# -- errors -------------------------------------------------------------------

def real_errors(program):
    kinds, codes = {}, {}
    for line in output_of(program).splitlines():
        row, name, *cells = line.split("\t")
        if row == "kind":
            kinds[name] = cells
        elif name in codes:
            sys.exit(f"{name} is in the program's table twice")
        else:
            kind, posted, again, advice = cells
            codes[name] = [kind, posted, AGAIN[again], advice]
    return kinds, codes


def check_errors(tap, readme, program):
    kinds, codes = real_errors(program)
    for what, heading, real in (("kind", "Kinds of errors", kinds),
                                ("code", "Error codes", codes)):
        rows = {bare(row[0]): [bare(cell) for cell in row[1:]]
                for row in table_below(readme, heading)}
        tap.check(f"there is a {what}", [] if real else ["none"])
        same_rows(tap, what, rows, real)
        tap.check(f"every {what} is as the README says",
                  [f"{name}: is {cells}, the README says "
                   f"{rows[name][:len(cells)]}"
                   for name, cells in real.items()
                   if name in rows and rows[name][:len(cells)] != cells])


    check_advice(tap, readme, codes)


def check_advice(tap, readme, codes):
    """What the README has to say of single codes is of codes that exist."""
    known = []
    for name in codes:
        family, first, last = re.match(
            r"(?:HTTP )?([A-Z]*)\.?(\d*)(?:–(\d+))?", name).groups()
        if first:
            known.append((family, int(first), int(last or first)))
    section = re.split(r"^### Troubleshooting$", readme, flags=re.M)[1]
    named = re.findall(r"\b(SIS|APIG)\.(\d+)", section.split("\n## ")[0])
    tap.check("the codes of the troubleshooting exist",
              ([] if len(named) > 10 else ["there are few"]) +
              [f"{family}.{number} does not" for family, number in named
               if not any(family == f and a <= int(number) <= b
                          for f, a, b in known)])


def print_errors(program):
    for name, (kind, posted, again, advice) in real_errors(program)[1].items():
        print(f"| {name} | {kind} | {posted} | {again} | {advice} |")


# -- documents ----------------------------------------------------------------

def check_documents(tap, root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", readme)
    tap.check("what the README links to exists",
              [link for link in links if not (root / link).exists()])
    commands = re.findall(r"^sh (tests/\S+)", readme, re.M)
    tap.check("the README's quick start has two commands, and both exist",
              [command for command in commands if not (root / command).exists()]
              + ([] if len(set(commands)) >= 2 else ["fewer than two"]))
    lines = (root / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    tap.check("CONTRIBUTING.md has at most 60 lines",
              [] if len(lines) <= 60 else [f"it has {len(lines)}"])


def main():
    what, *args = sys.argv[1:]
    if what == "print-errors":
        print_errors(args[0])
        return 0
    tap = Tap()
    if what == "documents":
        check_documents(tap, pathlib.Path(args[0]))
    else:
        readme = pathlib.Path(args[0]).read_text(encoding="utf-8")
        check = {"properties": check_properties, "errors": check_errors}[what]
        check(tap, readme, args[1])
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

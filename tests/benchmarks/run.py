#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the benchmark programs side by side and prints a table.

  run.py --build BUILD [--rounds N] [--json] [SCENARIO…]

Each round runs the programs of a scenario in turn, each against a server of its
own; what is told is the median of the rounds, and the least and the most. A p99
is of the samples of all rounds together; the least and the most are of single
rounds. Of sissink the cost of the same pipeline with fakesink is subtracted,
round by round. CPU is in seconds for an hour of audio of one channel.

The exit status is 1 if an aim is missed, or if a run did not do what it was to
be measured at: then its scenario has no figures.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

BYTES_PER_SECOND = 32000
MESSAGE = 3200
# What sissink sends when it is behind.
JOINED = 32000
WARM_UP = 2
# Seconds that connecting may add to what is sent live.
START = 10
# What waits for so many ms is overtaken by the next buffer.
LATE = 100


class Failed(Exception):
    """A run that did not do what it was to be measured at."""


@dataclasses.dataclass
class Program:
    """What to run, and what its server must have received then: seconds of
    audio of all connections together, in messages of no more than some bytes
    on average."""

    name: str
    arguments: tuple
    server: tuple = ()
    connections: int = 1
    least: float = 0
    most: float = 0
    message: float = float("inf")

    def check(self, server):
        seconds = server["bytes"] / BYTES_PER_SECOND
        if server["open"] or server["connections"] != self.connections:
            raise Failed(
                f"{self}: {server['connections']} connections, of which "
                f"{server['open']} are not accounted for")
        if not self.least <= seconds <= self.most:
            raise Failed(f"{self}: {seconds:.1f} s of audio were received")
        if server["bytes"] > self.message * server["messages"]:
            raise Failed(f"{self}: {mean_message(server):.0f} bytes a message")

    def __str__(self):
        return " ".join((self.name, *map(str, self.arguments)))


def unpaced(name, seconds, *arguments, server=()):
    return Program(name, ("--seconds", seconds, *arguments), server,
                   least=seconds, most=seconds)


def paced(name, channels, seconds, *arguments, warm_up=WARM_UP, server=()):
    count = {"sinks": ("--sinks", channels),
             "bare-soup": ("--connections", channels)}[name]
    return Program(
        name, ("--paced", "--latency", "--warm-up", warm_up, "--seconds",
               seconds, *count, *arguments), server, connections=channels,
        least=channels * seconds, most=channels * (warm_up + seconds + START))


def with_fakesink(program):
    return Program(program.name, program.arguments + ("--fakesink",),
                   connections=0)


class Bench:
    """The programs of one build folder."""

    def __init__(self, build):
        self.build = pathlib.Path(build).resolve()
        self.environment = {
            **os.environ,
            "GST_PLUGIN_PATH_1_0": str(self.build / "gst"),
            "GST_REGISTRY": str(self.build / "tests/benchmarks/registry"),
            "GST_REGISTRY_FORK": "no",
            "GSETTINGS_BACKEND": "memory",
            "SIS_AUTH_TOKEN": "",
        }
        for name in ("http_proxy", "https_proxy", "all_proxy", "GST_DEBUG"):
            self.environment.pop(name, None)

    def _command(self, name, *arguments):
        return [str(self.build / f"tests/benchmarks/bench-{name}"),
                *map(str, arguments)]

    def run(self, program):
        """What the program says; of the server, under "server"."""
        drain = subprocess.Popen(
            self._command("drain-server", *program.server), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        url = drain.stdout.readline().strip()
        try:
            done = subprocess.run(
                self._command(program.name, "--url", url, *program.arguments),
                check=True, text=True, stdout=subprocess.PIPE,
                env=self.environment, timeout=600)
        except subprocess.SubprocessError as error:
            raise Failed(f"{program}: failed, as told above") from error
        finally:
            told, _ = drain.communicate(timeout=60)
        server = json.loads(told)
        program.check(server)
        return {**json.loads(done.stdout), "server": server}


def text(value):
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


class Row:
    """A figure of all rounds: median (least to most)."""

    def __init__(self, name, values, unit="", most=None):
        self.name, self.unit, self.most = name, unit, most
        self.values = list(values)
        if None in self.values:
            raise Failed(f"{name}: there was nothing to measure")

    def value(self):
        return statistics.median(self.values)

    def is_missed(self):
        return self.most is not None and self.value() > self.most

    def label(self):
        return self.name

    def line(self):
        cells = [self.label(), f"{text(self.value())} {self.unit}",
                 f"{text(min(self.values))} … {text(max(self.values))}",
                 self.aim()]
        return f"| {' | '.join(cell.strip() for cell in cells)} |"

    def aim(self):
        if self.most is None:
            return ""
        return f"≤ {text(self.most)}{', missed' if self.is_missed() else ''}"

    def figures(self):
        return {"median": self.value()}

    def as_json(self, scenario):
        figures = {**self.figures(), "min": min(self.values),
                   "max": max(self.values)}
        return json.dumps({
            "benchmark": f"{scenario}: {self.name}", "unit": self.unit,
            **{name: round(value, 4) for name, value in figures.items()},
            "rounds": len(self.values), "aim": self.most,
            "met": None if self.most is None else not self.is_missed(),
        }, ensure_ascii=False)


def percentile(samples, percent):
    return sorted(samples)[min(len(samples) - 1,
                               len(samples) * percent // 100)] / 1000


class Latency(Row):
    """The p99 of the samples of all rounds, in ms; given are µs."""

    def __init__(self, name, rounds_of_samples, most=None):
        super().__init__(name, rounds_of_samples, "ms", most)
        self.samples = sum(self.values, [])
        self.values = [percentile(samples, 99) for samples in self.values]

    def value(self):
        return percentile(self.samples, 99)

    def label(self):
        return (f"{self.name}, p99 (p50 {text(percentile(self.samples, 50))}, "
                f"p95 {text(percentile(self.samples, 95))}; "
                f"{len(self.samples)} samples)")

    def figures(self):
        return {**{f"p{percent}": percentile(self.samples, percent)
                   for percent in (50, 95, 99)}, "samples": len(self.samples)}


def cpu(results):
    return [result["cpu_per_audio_hour"] for result in results]


def to_wire(results):
    return [result["server"]["to_wire_us"] for result in results]


def mean_message(server):
    return server["bytes"] / max(1, server["messages"])


def rounds(bench, count, programs):
    """The results of each program, a round after the other."""
    results = {name: [] for name in programs}
    for i in range(count):
        names = list(programs)
        # None has the warm cache of another always before it.
        for name in names[i % len(names):] + names[:i % len(names)]:
            results[name].append(bench.run(programs[name]))
    return results


def differences(some, others):
    return [one - other for one, other in zip(cpu(some), cpu(others))]


def ratios(some, others):
    return [one / other for one, other in zip(some, others)]


def fast(bench, count, server, message, most):
    # Hours, so that the handshake is nothing beside them.
    hours = 14400
    lengths = sorted({message, JOINED})
    bare = unpaced("bare-soup", hours, "--message", message, server=server)
    sink = unpaced("sinks", hours, server=server)
    results = rounds(bench, count, {
        "bare": bare, "sink": sink, "fakesink": with_fakesink(sink),
        **{length: unpaced("write-loop", hours, "--message", length)
           for length in lengths}})
    own = differences(results["sink"], results["fakesink"])
    return results, [
        *[Row(f"write loop, plain, messages of {length} bytes",
              cpu(results[length]), "s") for length in lengths],
        Row(f"bare libsoup client, messages of {message} bytes",
            cpu(results["bare"]), "s"),
        Row("sissink", own, "s"),
        Row("sissink / bare", ratios(own, cpu(results["bare"])), most=most)]


def as_fast_as_possible(bench, count):
    return fast(bench, count, (), MESSAGE, 0.6)[1]


def tls(bench, count):
    results, rows = fast(bench, count, ("--tls",), JOINED, 1.15)
    for sink, bare in zip(results["sink"], results["bare"]):
        one, other = (mean_message(result["server"])
                      for result in (sink, bare))
        if abs(one / other - 1) > 0.05:
            raise Failed(f"messages of {one:.0f} and {other:.0f} bytes")
    return rows


def live_pair(channels, seconds, *arguments, **others):
    """Bare client and sink, in messages of one length."""
    return [dataclasses.replace(
        paced(name, channels, seconds, *arguments, **others),
        message=1.1 * MESSAGE) for name in ("bare-soup", "sinks")]


def live_rows(case, bare, sink, fakesink, most):
    own = differences(sink, fakesink)
    return [
        Row(f"{case}: bare libsoup client", cpu(bare), "s"),
        Row(f"{case}: sissink", own, "s"),
        Row(f"{case}: sissink / bare", ratios(own, cpu(bare)), most=most),
        Latency(f"{case}: buffer to wire", to_wire(sink), most=5),
        Latency(f"{case}: the same of the bare client", to_wire(bare)),
        Latency(f"{case}: server's message to bus",
                [result["to_bus_us"] for result in sink], most=2),
        Latency(f"{case}: the same of the bare client, to its callback",
                [result["to_client_us"] for result in bare])]


def live_1(bench, count):
    # A final every 2 s: long enough for more than 100 in nine rounds.
    seconds = 24
    bare, sink = live_pair(1, seconds)
    bare_tls, sink_tls = live_pair(1, seconds, server=("--tls",))
    results = rounds(bench, count, {
        "bare": bare, "sink": sink, "bare TLS": bare_tls, "sink TLS": sink_tls,
        "fakesink": with_fakesink(sink),
        "write": unpaced("write-loop", 5, "--paced")})
    return [
        Row("plain: write loop", cpu(results["write"]), "s"),
        *live_rows("plain", results["bare"], results["sink"],
                   results["fakesink"], 1.3),
        *live_rows("TLS", results["bare TLS"], results["sink TLS"],
                   results["fakesink"], 1.3)]


def live_50(bench, count):
    bare, sink = live_pair(50, 10, "--spread")
    bare_tls, sink_tls = live_pair(50, 10, "--spread", server=("--tls",),
                                   warm_up=5)  # 50 handshakes.
    bare_once, sink_once = live_pair(50, 10)
    results = rounds(bench, count, {
        "bare": bare, "sink": sink, "fakesink": with_fakesink(sink),
        "bare TLS": bare_tls, "sink TLS": sink_tls,
        "bare once": bare_once, "sink once": sink_once,
        "fakesink once": with_fakesink(sink_once)})
    return [
        *live_rows("plain, evenly spread", results["bare"], results["sink"],
                   results["fakesink"], 1.5),
        *live_rows("TLS, evenly spread", results["bare TLS"],
                   results["sink TLS"], results["fakesink"], 1.5),
        *live_rows("plain, all at once", results["bare once"],
                   results["sink once"], results["fakesink once"], 1.5)]


def faults(case, sinks, results, late):
    """Of many sinks: whether all goes well, and in time."""
    return [
        Row(f"{case}: not streaming",
            [sinks - result["streaming"] for result in results], most=0),
        Row(f"{case}: audio dropped",
            [result["dropped_ms"] for result in results], "ms", most=0),
        Row(f"{case}: reconnects",
            [result["reconnects"] for result in results], most=0),
        Row(f"{case}: most audio not sent yet, of any sink",
            [result["most_buffered_ms"] for result in results], "ms",
            most=200),
        Latency(f"{case}: buffer to wire", to_wire(results), most=late)]


def scale(bench, count):
    rows = []
    # The 200 have been connected for 30 s when they are looked at.
    for sinks, warm_up, seconds in (
            (1, WARM_UP, 4), (50, WARM_UP, 4), (200, 26, 5), (500, 6, 5)):
        sink = paced("sinks", sinks, seconds, "--spread", warm_up=warm_up)
        results = rounds(bench, count, {
            "sink": sink, "fakesink": with_fakesink(sink)})
        pairs = list(zip(results["sink"], results["fakesink"]))
        case = f"{sinks} sinks, evenly spread"
        rows += [
            Row(f"{case}: CPU of each",
                differences(results["sink"], results["fakesink"]), "s"),
            Row(f"{case}: RSS of each, without its store", [
                (sink["rss_kb"] - fake["rss_kb"] - sink["stored_kb"]) / sinks
                for sink, fake in pairs], "kB",
                most=150 if sinks >= 200 else None),
            Row(f"{case}: threads", [
                sink["threads"] - fake["threads"] for sink, fake in pairs],
                most=2)]
        if sinks >= 200:
            rows += faults(case, sinks, results["sink"],
                           5 if sinks == 200 else LATE)
    at_once = rounds(bench, count, {
        "sink": paced("sinks", 500, 5, warm_up=6)})
    return rows + faults("500 sinks, all at once", 500, at_once["sink"],
                         LATE)


def reconnect(bench, count):
    cut = dataclasses.replace(
        paced("sinks", 1, 4, "--reconnects", 1, warm_up=0,
              server=("--cut-after", 2)), connections=2)
    results = rounds(bench, count, {"sink": cut})
    return [Row("from the loss to the first sample that is sent again",
                [result["server"]["reconnect_ms"]
                 for result in results["sink"]], "ms")]


def conversion(bench, count):
    sink = unpaced("sinks", 3600, "--wide")
    none = with_fakesink(sink)
    convert = dataclasses.replace(none, arguments=none.arguments + (
        "--before", "audioconvert ! audioresample ! "
        "audio/x-raw,format=S16LE,rate=16000,channels=1"))
    results = rounds(bench, count,
                     {"sink": sink, "convert": convert, "none": none})
    return [
        Row("audioconvert ! audioresample",
            differences(results["convert"], results["none"]), "s"),
        Row("sissink, which converts and sends",
            differences(results["sink"], results["none"]), "s")]


SCENARIOS = {
    "fast": ("As fast as possible, plain", as_fast_as_possible),
    "tls": ("As fast as possible, TLS", tls),
    "live": ("One live channel", live_1),
    "live50": ("50 live channels", live_50),
    "scale": ("Live channels in one process", scale),
    "reconnect": ("A connection that is cut", reconnect),
    "conversion": ("48 kHz, stereo, float to 16 kHz, mono, 16 bit",
                   conversion)}


def machine():
    model = "?"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def tell(bench, name, options):
    """Prints a scenario's figures; true if one misses its aim."""
    title, measure = SCENARIOS[name]
    try:
        rows = measure(bench, options.rounds)
    except Failed as failure:
        print(f"{name}: {failure}", file=sys.stderr)
        return True
    if not options.json:
        print(f"| **{title}** | | | |")
    for row in rows:
        print(row.as_json(name) if options.json else row.line(), flush=True)
    return any(row.is_missed() for row in rows)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="the build folder")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true",
                        help="a line of JSON a figure in place of the table")
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS],
                        help="all, if none is named")
    options = parser.parse_args()
    bench = Bench(options.build)
    if not options.json:
        print(f"{machine()}; {options.rounds} rounds\n\n"
              "| what | median, or p99 | least … most | aim |\n"
              "| --- | --- | --- | --- |")
    # Each is run, whatever became of those before.
    return max([tell(bench, name, options)
                for name in options.scenario or SCENARIOS])


if __name__ == "__main__":
    sys.exit(main())

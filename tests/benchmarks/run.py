#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the benchmark programs side by side and prints a table.

  run.py --build BUILD [--rounds N] [--json] [SCENARIO…]

Each round runs the programs of a scenario in turn, each against a server of its
own; what is told is the median of the rounds, and the least and the most. Of
sissink the cost of the same pipeline with fakesink is subtracted, round by
round. CPU is in seconds for an hour of audio of one channel.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys


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

    def run(self, name, *arguments, server=()):
        """What the program says; of the server, under "server"."""
        drain = subprocess.Popen(
            self._command("drain-server", *server), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        url = drain.stdout.readline().strip()
        try:
            done = subprocess.run(
                self._command(name, "--url", url, *arguments), check=True,
                text=True, stdout=subprocess.PIPE, env=self.environment,
                timeout=600)
        finally:
            told, _ = drain.communicate(timeout=60)
        return {**json.loads(done.stdout), "server": json.loads(told)}


class Row:
    """A figure of all rounds: median (least to most)."""

    def __init__(self, name, values, unit="", most=None):
        self.name, self.unit, self.most = name, unit, most
        self.values = list(values)

    def line(self):
        def text(value):
            return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
        median = statistics.median(self.values)
        aim = "" if self.most is None else f"≤ {text(self.most)}"
        return (f"| {self.name} | {text(median)} {self.unit} "
                f"| {text(min(self.values))} … {text(max(self.values))} "
                f"| {aim} |")

    def as_json(self, scenario):
        return json.dumps({
            "benchmark": f"{scenario}: {self.name}", "unit": self.unit,
            "median": statistics.median(self.values),
            "min": min(self.values), "max": max(self.values),
            "rounds": len(self.values)}, ensure_ascii=False)


def cpu(results):
    return [result["cpu_per_audio_hour"] for result in results]


def rounds(bench, count, programs):
    """The results of each program, a round after the other."""
    results = {name: [] for name in programs}
    for i in range(count):
        names = list(programs)
        # None has the warm cache of another always before it.
        for name in names[i % len(names):] + names[:i % len(names)]:
            program, arguments, server = programs[name]
            results[name].append(bench.run(program, *arguments, server=server))
    return results


def own_cost(results):
    return [sink - fake for sink, fake in zip(cpu(results["sink"]),
                                              cpu(results["fakesink"]))]


def ratios(some, others):
    return [one / other for one, other in zip(some, others)]


def fast(bench, count, server, message, most):
    # Hours, so that the handshake is nothing beside them.
    hours = ("--seconds", 14400)
    bare = ("bare-soup", hours + ("--message", message), server)
    programs = {"bare": bare,
                "sink": ("sinks", hours, server),
                "fakesink": ("sinks", hours + ("--fakesink",), server)}
    if not server:
        programs["write"] = ("write-loop", (), server)
    results = rounds(bench, count, programs)
    own = own_cost(results)
    rows = [Row(f"bare libsoup client, messages of {message} bytes",
                cpu(results["bare"]), "s")]
    if "write" in results:
        rows.append(Row("write loop", cpu(results["write"]), "s"))
    return rows + [Row("sissink", own, "s"),
                   Row("sissink / bare", ratios(own, cpu(results["bare"])),
                       most=most)]


def as_fast_as_possible(bench, count):
    return fast(bench, count, (), 3200, 0.6)


def tls(bench, count):
    # As long as sissink's own when it is behind.
    return fast(bench, count, ("--tls",), 32000, 1.15)


def live(bench, count, sinks, most):
    seconds = ("--paced", "--spread", "--latency", "--seconds", 10)
    programs = {
        "bare": ("bare-soup", seconds + ("--connections", sinks), ()),
        "sink": ("sinks", seconds + ("--sinks", sinks), ()),
        "fakesink": ("sinks", seconds + ("--sinks", sinks, "--fakesink"), ())}
    results = rounds(bench, count, programs)
    own = own_cost(results)

    def p99(name, of):
        return [of(result)["p99"] for result in results[name]]

    def to_wire(result):
        return result["server"]["to_wire_ms"]

    return [
        Row("bare libsoup client", cpu(results["bare"]), "s"),
        Row("sissink", own, "s"),
        Row("sissink / bare", ratios(own, cpu(results["bare"])), most=most),
        Row("buffer to wire, p99", p99("sink", to_wire), "ms", most=5),
        Row("the same of the bare client", p99("bare", to_wire), "ms"),
        Row("server's message to bus, p99",
            p99("sink", lambda result: result["to_bus_ms"]), "ms", most=2),
        Row("the same of the bare client, to its callback",
            p99("bare", lambda result: result["to_client_ms"]), "ms")]


def live_1(bench, count):
    return live(bench, count, 1, 1.3)


def live_50(bench, count):
    return live(bench, count, 50, 1.5)


def scale(bench, count):
    rows = []
    for sinks in (1, 50, 200, 500):
        seconds = ("--paced", "--spread", "--warm-up", 25, "--seconds", 5,
                   "--sinks", sinks)
        results = rounds(bench, count, {
            "sink": ("sinks", seconds, ()),
            "fakesink": ("sinks", seconds + ("--fakesink",), ())})
        pairs = list(zip(results["sink"], results["fakesink"]))
        rows += [
            Row(f"{sinks} sinks: CPU of each", own_cost(results), "s"),
            Row(f"{sinks} sinks: RSS of each, without its store", [
                (sink["rss_kb"] - fake["rss_kb"] - sink["stored_kb"]) / sinks
                for sink, fake in pairs], "kB",
                most=150 if sinks >= 200 else None),
            Row(f"{sinks} sinks: threads", [
                sink["threads"] - fake["threads"] for sink, fake in pairs],
                most=2),
            Row(f"{sinks} sinks: not streaming, or lost audio", [
                sinks - sink["streaming"] + sink["dropped_ms"]
                for sink, _ in pairs], most=0)]
    return rows


def reconnect(bench, count):
    results = rounds(bench, count, {
        "sink": ("sinks", ("--paced", "--warm-up", 0, "--seconds", 8),
                 ("--cut-after", 2))})
    return [Row("from the loss to the first sample that is sent again",
                [result["server"]["reconnect_ms"]
                 for result in results["sink"]], "ms")]


def conversion(bench, count):
    hours = ("--seconds", 3600)
    convert = ("--before", "audioconvert ! audioresample ! "
               "audio/x-raw,format=S16LE,rate=16000,channels=1")
    results = rounds(bench, count, {
        "sink": ("sinks", hours + ("--wide",), ()),
        "fakesink": ("sinks", hours + ("--wide", "--fakesink") + convert, ()),
        "none": ("sinks", hours + ("--wide", "--fakesink"), ())})
    return [
        Row("audioconvert ! audioresample",
            [one - other for one, other in zip(cpu(results["fakesink"]),
                                               cpu(results["none"]))], "s"),
        Row("sissink, which converts and sends",
            [one - other for one, other in zip(cpu(results["sink"]),
                                               cpu(results["none"]))], "s")]


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
              "| what | median | least … most | aim |\n"
              "| --- | --- | --- | --- |")
    for name in options.scenario or SCENARIOS:
        title, measure = SCENARIOS[name]
        rows = measure(bench, options.rounds)
        if options.json:
            for row in rows:
                print(row.as_json(name), flush=True)
        else:
            print(f"| **{title}** | | | |")
            for row in rows:
                print(row.line(), flush=True)


if __name__ == "__main__":
    sys.exit(main())

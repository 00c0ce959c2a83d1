# SPDX-License-Identifier: LGPL-2.1-or-later
"""sis-transcribe, as people use it.

    test_transcribe.py SIS_TRANSCRIBE SCRIPTED_SERVER
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

import programs
from tap import Tap

HOSTILE = ["a\n\nb --> c", "\x1b[2J\x1b]0;title\x07red", "<b>&amp;</b>",
           "turned \u202eback\u2066", "\x9b31m c1 \x85 \u2028 end", "-->",
           " \t\n "]

SETTINGS = """
    region=cn-north-4 project-id=demo enterprise-project-id=e mode=continue
    model=chinese_16k_general add-punc=true digit-norm=false
    interim-results=true need-word-info=true vad-head=5000 vad-tail=400
    max-seconds=20 vocabulary-id= chunk-duration=200000000
    max-send-rate=0 max-buffer-duration=10000000000 leaky=no
    reconnect=transport max-reconnects=3 reconnect-delay=100000000
    max-reconnect-delay=1000000000 replay-duration=30000000000
    max-session-duration=0 on-error=stop timeout=20 keepalive-interval=10
    idle-timeout=10000000000 mix-matrix=<<(float)1>> user-agent=me/1
    proxy= ssl-ca-file= iam-endpoint= auth-token=t access-key= secret-key=
    security-token= user-name= domain-name= password= sync=false
    extra-headers=headers,X-Mine=(string)yes
""".split()


class Tool:
    def __init__(self, program, scripted, folder):
        self.program, self.scripted = program, scripted
        self.folder = pathlib.Path(folder)
        self.speech = str(programs.write_wave(self.folder / "speech.wav", 5))

    def command(self, address, *more):
        asked = ["--set", f"endpoint={address}", "--set", "project-id=demo"]
        return [self.program, *(asked if address else []), *more]

    def run(self, address, *more, **options):
        return subprocess.run(self.command(address, *more), text=True,
                              encoding="utf-8", stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE,
                              timeout=programs.PATIENCE, **options)

    def transcript(self, texts, *more):
        """The text of a file that it writes when these are said."""
        with programs.server(self.scripted, "--", *texts) as address:
            return self.run(address, *more, self.speech)


def expect(done, status, stdout=None, stderr=None):
    problems = []
    if done.returncode != status:
        problems.append(f"it ended with {done.returncode}: {done.stderr}")
    if stdout is not None and done.stdout != stdout:
        problems.append(f"it wrote {done.stdout!r}")
    if stderr is not None and not re.search(stderr, done.stderr):
        problems.append(f"it said {done.stderr!r}")
    return problems


# -- what it writes -----------------------------------------------------------

def check_formats(tap, tool):
    texts = ["今天天气很好", "go & see <it>", 'say "no" \\']
    tap.check("finals are lines of UTF-8",
              expect(tool.transcript(texts), 0,
                     "今天天气很好\ngo & see <it>\nsay \"no\" \\\n", r"^$"))
    tap.check("an SRT file has numbered cues", expect(
        tool.transcript(texts, "--format=srt"), 0,
        "1\n00:00:00,000 --> 00:00:02,000\n今天天气很好\n\n"
        "2\n00:00:02,000 --> 00:00:04,000\ngo & see <it>\n\n"
        "3\n00:00:04,000 --> 00:00:05,000\nsay \"no\" \\\n"))
    with programs.server(tool.scripted, "--", *texts) as address, \
            open(tool.speech, "rb") as speech:
        tap.check("a recording comes through standard input", expect(
            tool.run(address, "-", stdin=speech), 0, "\n".join(texts) + "\n"))
    output = tool.folder / "out.vtt"
    problems = expect(tool.transcript(texts, "-o", str(output)), 0, "")
    expected = ("WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n今天天气很好\n\n"
                "00:00:02.000 --> 00:00:04.000\ngo &amp; see &lt;it&gt;\n\n"
                "00:00:04.000 --> 00:00:05.000\nsay \"no\" \\\n")
    if output.read_text("utf-8") != expected:
        problems.append(output.read_text("utf-8"))
    tap.check("the name of the output chooses the format", problems)
    done = tool.transcript(texts, "-f", "json", "-s", "need-word-info=true")
    problems = expect(done, 0)
    cues = json.loads(done.stdout)
    if [cue["text"] for cue in cues] != texts:
        problems.append(f"texts are {cues}")
    if cues[2]["start"] != 4.0 or cues[2]["end"] != 5.0:
        problems.append(f"times are {cues[2]}")
    if cues[1]["words"][0] != {"start": 2.0, "end": 3.0, "word": "sentence"}:
        problems.append(f"words are {cues[1]}")
    tap.check("JSON is an array with an object a final", problems)


def cues_of(text):
    """Blocks between blank lines, each with its lines."""
    return [block.split("\n") for block in text.strip("\n").split("\n\n")]


def check_hostile(tap, tool):
    longer = str(programs.write_wave(tool.folder / "long.wav",
                                     2 * len(HOSTILE)))
    with programs.server(tool.scripted, "--", *HOSTILE) as address:
        for form in ("text", "srt", "vtt", "json"):
            done = tool.run(address, "--format", form, longer)
            problems = expect(done, 0)
            if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066]",
                         done.stdout):
                problems.append(f"control characters: {done.stdout!r}")
            problems += broken(form, done.stdout)
            tap.check(f"hostile text does not break {form}", problems)


def broken(form, text):
    said = len(HOSTILE) - 1  # nothing but blanks is not said
    if form == "json":
        return [] if len(json.loads(text)) >= said else [text]
    if form == "text":
        lines = text.splitlines()
        return [] if len(lines) == said and all(lines) else [repr(text)]
    blocks = cues_of(text)
    if form == "vtt":
        blocks = blocks[1:]
    problems = [] if len(blocks) == said else [repr(text)]
    for block in blocks:
        times = [line for line in block if "-->" in line]
        if len(times) != 1 or len(block) != (3 if form == "srt" else 2):
            problems.append(repr(block))
        if form == "vtt" and re.search("<|&(?!amp;|lt;|gt;)", block[-1]):
            problems.append(repr(block))
    return problems


# -- how it ends --------------------------------------------------------------

def check_statuses(tap, tool):
    nothing = str(tool.folder / "nothing.txt")
    pathlib.Path(nothing).write_text("this is no audio at all " * 100)
    film = str(programs.write_silent_film(tool.folder / "film.avi"))
    strange = str(programs.write_silent_film(tool.folder / "strange.avi",
                                             b"IV41"))
    odd = str(programs.write_unknown_audio(tool.folder / "odd.avi"))
    kept = tool.folder / "kept.vtt"
    kept.write_text("kept")
    speech = tool.speech
    closed = "ws://127.0.0.1:1"
    for name, status, said, words in [
            ("no input", 2, "name a recording", []),
            ("two inputs", 2, "one recording", [speech, "-m"]),
            ("an unknown option", 2, "nonsense", ["--nonsense"]),
            ("an unknown format", 2, "text, srt", ["-f", "x", speech]),
            ("an unknown property", 2, "no such",
             ["-s", "nonsense=1", "-o", str(kept), speech]),
            ("a property that is read only", 2, "no such",
             ["-s", "stats=1", speech]),
            ("a value that is none", 2, "no value", ["-s", "timeout=x", speech]),
            ("a value out of range", 2, "no value",
             ["-s", "timeout=0", speech]),
            ("a choice that is none", 2, "no value",
             ["-s", "mode=nonsense", speech]),
            ("credentials for a local server", 2, "goes without",
             ["--local", "-s", "auth-token=hush", speech]),
            ("credentials for a local server, spelled otherwise", 2,
             "goes without", ["--local", "-s", "auth_token=hush", speech]),
            ("a credential that is taken for an option", 2, "Unknown option",
             ["--auth_token=hush", speech]),
            ("a credential that is taken for a file", 3, "cannot read",
             ["auth-token=hush"]),
            ("an output that is the input", 2, "overwrite",
             ["-o", speech, speech]),
            ("a source that is none", 2, "source", ["--source=nonsense!"]),
            ("no such file", 3, "cannot read",
             [str(tool.folder / "\x1b[31mmissing.wav")]),
            ("no such URI", 3, ".", ["file:///nonsense.wav"]),
            ("a text", 3, ".", [nothing]),
            ("video without audio", 3, "the recording has no audio", [film]),
            ("such video that nothing decodes", 3, "the recording has no audio",
             [strange]),
            ("audio that nothing decodes", 3, "missing a plug-in", [odd]),
            ("an output that cannot be opened", 1, "cannot write",
             ["-o", str(tool.folder / "no" / "folder.vtt"), speech]),
            ("no server", 6, ".", [speech])]:
        done = tool.run(closed, *words)
        problems = expect(done, status, "", said)
        if "\x1b" in done.stderr or "hush" in done.stderr:
            problems.append(f"it wrote {done.stderr!r}")
        tap.check(f"exit status {status}: {name}", problems)
    tap.check("a wrong command line does not touch the output",
              [] if kept.read_text() == "kept" else ["it did"])


def check_failures(tap, tool):
    for name, status, said, server in [
            ("refused credentials", 4, r"401.*APIG\.0301",
             ["--refuse=401", "--error=APIG.0301"]),
            ("a refused parameter", 5, r"SIS\.0032", ["--error=SIS.0032"]),
            ("a failing service", 6, r"SIS\.0303", ["--error=SIS.0303"]),
            ("an END without an answer", 6, "not complete", ["--mute"])]:
        with programs.server(tool.scripted, *server) as address:
            done = tool.run(address, "-s", "auth-token=hush", "-s", "timeout=1",
                            "-s", "max-reconnects=1", "-f", "json", "-v",
                            tool.speech)
        problems = expect(done, status, None, said)
        if json.loads(done.stdout) != []:
            problems.append(f"the output is not finished: {done.stdout!r}")
        if "\x1b" in done.stderr or "hush" in done.stderr:
            problems.append(f"it wrote {done.stderr!r}")
        tap.check(f"exit status {status}: {name}", problems)
    with programs.server(tool.scripted) as address:
        tap.check("exit status 1: a full disk", expect(
            tool.run(address, "-o", "/dev/full", tool.speech), 1, "",
            "cannot write"))
        tap.check("every property can be set", expect(
            tool.run(address, *(word for setting in SETTINGS
                                for word in ("--set", setting)), tool.speech),
            0, "sentence 0\nsentence 1\nsentence 2\n"))


# -- a terminal ---------------------------------------------------------------

def check_terminal(tap, tool):
    said = "很长的一句话" * 12
    with programs.server(tool.scripted, "--", said, "short") as address:
        screen = programs.Terminal(tool.command(address, tool.speech), 40)
        status = screen.finish()
    tap.check("on a terminal, only finals remain",
              [] if status == 0 and screen.lines() == [said, "short", said, ""]
              else [f"{status}: {screen.lines()!r}"])
    status_lines = [line for line in screen.drawings()
                    if re.match(r"\[ *\d+%\] ", line)]
    tap.check("what is being said is shown before",
              [] if any("一句话" in line for line in status_lines)
              else [f"{screen.text()!r}"])
    tap.check("it fits into the line",
              [line for line in status_lines if programs.columns(line) > 39])
    with programs.server(tool.scripted) as address:
        screen = programs.Terminal(
            tool.command(address, "-o", str(tool.folder / "o.vtt"),
                         tool.speech))
        screen.finish()
        quiet = programs.Terminal(tool.command(address, "-q", tool.speech))
        quiet.finish()
    tap.check("progress is shown where the text goes to a file",
              [] if re.search(r"\[ *\d+%\]", screen.text())
              and screen.lines() == [""] else [repr(screen.text())])
    tap.check("--quiet shows the text alone",
              [] if quiet.text().replace("\r\n", "\n")
              == "sentence 0\nsentence 1\nsentence 2\n"
              else [repr(quiet.text())])


def check_interruption(tap, tool):
    output = tool.folder / "cut.json"
    long = str(programs.write_wave(tool.folder / "hour.wav", 3600))
    live = "audiotestsrc is-live=true ! audio/x-raw,rate=16000"
    for name, status, words in [
            ("a recording", 130, ["--true-speed", long]),
            ("a live source", 0, ["--source", live])]:
        with programs.server(tool.scripted) as address:
            screen = programs.Terminal(
                tool.command(address, "-o", str(output), *words))
            screen.read_until("sentence 1")
            screen.press(b"\x03")
            ended = screen.finish()
        cues = json.loads(output.read_text())
        problems = []
        if ended != status:
            problems.append(f"it ended with {ended}: {screen.text()!r}")
        if len(cues) < 2 or cues[-1]["end"] % 2 == 0:
            problems.append(f"the last words are missing: {cues}")
        tap.check(f"Ctrl-C drains {name}, and finishes the file", problems)
    with programs.server(tool.scripted, "--mute") as address:
        screen = programs.Terminal(tool.command(
            address, "-o", str(output), "--true-speed", long))
        screen.read_until(r"\[ *\d+%\]")
        screen.press(b"\x03")
        screen.read_until("interrupt again")
        screen.press(b"\x03")
        ended = screen.finish()
    tap.check("a second Ctrl-C gives up",
              [] if ended == 130 and json.loads(output.read_text()) == []
              else [f"{ended}: {screen.text()!r}"])


def check_late_interruption(tap, tool):
    with programs.server(tool.scripted, "--end-delay=3000") as address:
        screen = programs.Terminal(tool.command(address, tool.speech))
        screen.read_until("sentence 2\r\n")  # said at the end alone
        screen.press(b"\x03")
        ended = screen.finish()
    tap.check("Ctrl-C behind the end of a recording changes nothing",
              [] if ended == 0 and "interrupted;" not in screen.text()
              else [f"{ended}: {screen.text()!r}"])
    with programs.server(tool.scripted, "--mute") as address:
        screen = programs.Terminal(tool.command(address, tool.speech))
        screen.read_until(r"\[100%\]")
        screen.press(b"\x03")
        screen.read_until("interrupt again")
        screen.press(b"\x03")
        ended = screen.finish()
    tap.check("Ctrl-C twice does, where the last words are missing",
              [] if ended == 130 else [f"{ended}: {screen.text()!r}"])


def interrupted(tool, server, *words):
    """When it stalls, Ctrl-C is pressed once: its exit status, its screen, and
    the cues of its file, or None if that is not finished."""
    output = tool.folder / "stalled.json"
    with programs.server(tool.scripted, *server) as address:
        screen = programs.Terminal(tool.command(
            address, "-o", str(output), *words))
        screen.read_until(r"\[ *\d+[:%]")
        screen.read_until_still()
        screen.press(b"\x03")
        ended = screen.finish()
    try:
        return ended, screen.text(), json.loads(output.read_text())
    except ValueError:
        return ended, screen.text(), None


def check_stalled_service(tap, tool):
    ended, text, cues = interrupted(
        tool, ["--deaf"], "-s", "timeout=2", "-s", "keepalive-interval=0",
        "-s", "max-buffer-duration=1000000000", str(tool.folder / "hour.wav"))
    tap.check("Ctrl-C gives up a service that takes nothing, in time",
              [] if ended == 130 and cues == [] and "after 4 s" in text
              else [f"{ended}: {text!r}, {cues}"])


def check_stalled_sources(tap, tool):
    data = (tool.folder / "hour.wav").read_bytes()[:44 + 5 * 32000]
    pipe = tool.folder / "pipe"
    for name, status, stalling, words in [
            ("HTTP", 130, programs.stalling_site(data), ["{}"]),
            ("a FIFO", 130, programs.stalling_pipe(pipe, data), ["{}"]),
            ("a source that cannot be stopped", 0,
             programs.stalling_pipe(pipe, data),
             ["--source", "filesrc location={} ! wavparse"])]:
        with stalling as place:
            ended, text, cues = interrupted(
                tool, [], *(word.format(place) for word in words))
        tap.check(f"Ctrl-C drains what stalls: {name}",
                  [] if ended == status and cues and len(cues) == 3
                  and cues[-1]["end"] > 4.8
                  else [f"{ended}: {text!r}, {cues}"])
    with programs.stalling_pipe(pipe) as path:
        ended, text, cues = interrupted(tool, [], path)
    tap.check("Ctrl-C ends a FIFO that never gave anything",
              [] if ended == 130 and cues == []
              else [f"{ended}: {text!r}, {cues}"])


def arguments_of(tool, address, *words):
    """Its arguments as others see them, once it waits for audio."""
    child = subprocess.Popen(
        tool.command(address, "-f", "vtt", *words), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    child.stdout.readline()
    with open(f"/proc/{child.pid}/cmdline", encoding="utf-8") as file:
        arguments = file.read()
    child.kill()
    said = child.communicate()[1]
    return arguments if arguments else said


def check_secrets(tap, tool):
    user = ["-s", "user-name=u", "-s", "domain-name=d"]
    key = ["-s", "access-key=a"]
    with programs.server(tool.scripted) as address, \
            socket.create_server(("127.0.0.1", 0)) as silent:
        place = "127.0.0.1:%d" % silent.getsockname()[1]
        for name, words in [
                ("a property", ["-s", "auth-token=hush", "-"]),
                ("with an equals sign", ["--set=auth-token=hush", "-"]),
                ("with an underscore", ["-s", "auth_token=hush", "-"]),
                ("as GObject also takes it", ["-s", "auth token=hush", "-"]),
                ("a key", [*key, "--set=secret_key=hush", "-"]),
                ("a temporary key", [*key, "-s", "secret_key=hush", "-s",
                                     "security_token=hush", "-"]),
                ("a password", [*user, "-s", "password=hush", "-"]),
                ("headers", ["-s", "extra_headers=headers,X-A=(string)hush",
                             "-"]),
                ("a proxy", ["-s", f"proxy=http://u:hush@{place}", "-"]),
                ("a recording's place", [f"http://u:hush@{place}/x.wav"]),
                ("a source's place", [
                    "--source", f"souphttpsrc location=http://u:hush@{place} "
                    "! wavparse"]),
                ("a source's password", [
                    "--source", f"souphttpsrc location=http://{place} "
                    "user_id=u user_pw=hush ! wavparse"])]:
            arguments = arguments_of(tool, address, *words)
            tap.check(f"a secret is not in the list of processes: {name}",
                      [f"its arguments are {arguments!r}"]
                      if "hush" in arguments or "****" not in arguments
                      else [])


def check_leaks(tap, tool):
    env = dict(os.environ, GST_TRACERS="leaks", GST_DEBUG="GST_TRACER:7",
               GST_DEBUG_NO_COLOR="1")
    with programs.server(tool.scripted) as address:
        for name, status, words in [
                ("a recording", 0, [address, tool.speech]),
                ("no server", 6, ["ws://127.0.0.1:1", tool.speech]),
                ("no such property", 2, [address, "-s", "x=1", tool.speech]),
                ("a source", 0, [address, "--source",
                                 "audiotestsrc num-buffers=50"])]:
            done = tool.run(*words, env=env)
            problems = expect(done, status)
            problems += re.findall(r"object-alive, type-name=\(string\)[^%].*",
                                   done.stderr)
            tap.check(f"no object is left: {name}", problems)


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        tool = Tool(*sys.argv[1:], folder)
        check_formats(tap, tool)
        check_hostile(tap, tool)
        check_statuses(tap, tool)
        check_failures(tap, tool)
        check_terminal(tap, tool)
        check_interruption(tap, tool)
        check_late_interruption(tap, tool)
        check_stalled_service(tap, tool)
        check_stalled_sources(tap, tool)
        check_secrets(tap, tool)
        check_leaks(tap, tool)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

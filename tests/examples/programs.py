# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs under test: servers that they ask, recordings that they play, and a
terminal that they write to."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import unicodedata
import wave

PATIENCE = 60  # seconds that a busy machine may need for anything


@contextlib.contextmanager
def server(*command):
    """The address of a server that runs as long as the block."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = child.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"{command[0]} does not listen")
        yield line.split()[-1]
    finally:
        child.terminate()
        child.wait(PATIENCE)
        child.stdout.close()


def write_wave(path, seconds, samples=None):
    """Mono, 16 kHz; a low hum where there are no samples."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        if samples is None:
            period = struct.pack("<160h", *([300] * 80 + [-300] * 80))
            samples = period * int(seconds * 100)
        out.writeframes(samples)
    return path


def write_channels(path, seconds):
    """Stereo: words for the recogniser of indices on the left, silence on the
    right."""
    blocks = (struct.pack("<hh", block, 0) * 160
              for block in range(seconds * 100))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(b"".join(blocks))
    return path


def chunk(name, *parts):
    data = b"".join(parts)
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def write_avi(path, kind, form, frame):
    """One stream, of `vids` or `auds`, with its format and 25 like frames."""
    avih = struct.pack("<14I", 40000, 0, 0, 0, 25, 0, 1, 0, 16, 16, 0, 0, 0, 0)
    strh = struct.pack("<4s4sI2H8I4H", kind, b"", 0, 0, 0, 0, 1, 25, 0, 25,
                       len(frame), 0, 0, 0, 0, 16, 16)
    frames = chunk(b"00db" if kind == b"vids" else b"00wb", frame) * 25
    path.write_bytes(chunk(
        b"RIFF", b"AVI ",
        chunk(b"LIST", b"hdrl", chunk(b"avih", avih),
              chunk(b"LIST", b"strl", chunk(b"strh", strh),
                    chunk(b"strf", form))),
        chunk(b"LIST", b"movi", frames)))
    return path


def write_silent_film(path, codec=bytes(4)):
    """Video without audio, of uncompressed pictures."""
    form = struct.pack("<IiiHH4s5I", 40, 16, 16, 1, 24, codec, 768, 0, 0, 0, 0)
    return write_avi(path, b"vids", form, bytes(768))


def write_unknown_audio(path):
    """Of a kind that nobody decodes."""
    form = struct.pack("<HHIIHH", 0x0022, 1, 8000, 1000, 32, 1)
    return write_avi(path, b"auds", form, bytes(32))


@contextlib.contextmanager
def stalling_pipe(path, data=b""):
    """A FIFO that gives these bytes, and then neither more nor an end."""
    os.mkfifo(path)
    both = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(both, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.write(both, data)
        yield str(path)
    finally:
        os.close(both)
        os.unlink(path)


@contextlib.contextmanager
def stalling_site(data):
    """An address of HTTP that does the same."""
    def serve(listener, ended):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.0 200 OK\r\n"
                               b"Content-Type: audio/x-wav\r\n\r\n" + data)
            ended.wait()

    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, ended),
                         daemon=True).start()
        try:
            yield "http://127.0.0.1:%d/live.wav" % listener.getsockname()[1]
        finally:
            ended.set()


class Terminal:
    """A program with a terminal for its output, and its keyboard."""

    def __init__(self, command, columns=80, env=None, **more):
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 24, columns, 0, 0))

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.child = subprocess.Popen(
            command, stdin=side, stdout=more.get("stdout", side), stderr=side,
            env=dict(env or os.environ, TERM="xterm"),
            preexec_fn=own_terminal)
        os.close(side)
        self.seen = b""

    def read_until(self, pattern):
        """Everything so far, once it has the pattern; or to its end."""
        end = time.monotonic() + PATIENCE
        while pattern is None or not re.search(pattern, self.text()):
            ready, _, _ = select.select([self.main], [], [],
                                        max(0, end - time.monotonic()))
            try:
                data = os.read(self.main, 65536) if ready else b""
            except OSError:  # nobody has it open any more
                data = b""
            if not data:
                break
            self.seen += data
        return self.text()

    def read_until_still(self, seconds=2):
        """Everything until it shows nothing new for so long."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and select.select(
                [self.main], [], [], seconds)[0]:
            self.seen += os.read(self.main, 65536)
        return self.text()

    def text(self):
        return self.seen.decode("utf-8", "replace")

    def press(self, key):
        os.write(self.main, key)

    def finish(self):
        """Its exit status, when it has ended."""
        self.read_until(None)
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()
        finally:
            os.close(self.main)

    def lines(self):
        """What remains on the screen, of an endless one."""
        return [screen_line(line) for line in
                self.text().replace("\r\n", "\n").split("\n")]

    def drawings(self):
        """Each text that stood in a line before it was replaced."""
        return [text for text in re.split(r"\r\n|\r|\n|\x1b\[K", self.text())
                if text]


def screen_line(line):
    """What is left of a line in which \\r and erase-to-end occur."""
    shown, at = [], 0
    for part in re.findall(r"\r|\x1b\[K|[^\r\x1b]+|\x1b", line):
        if part == "\r":
            at = 0
        elif part == "\x1b[K":
            del shown[at:]
        else:
            shown[at:at + len(part)] = part
            at += len(part)
    return "".join(shown)


def columns(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in text)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def has_ended(pid):
    """Waits for a process that is not a child."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], PATIENCE)[0])
    finally:
        os.close(handle)


def interrupt(child):
    child.send_signal(signal.SIGINT)

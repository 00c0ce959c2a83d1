# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody at a gst-launch-1.0 prompt reads when something is wrong.

    launch.py GST_LAUNCH
"""

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading

from tap import Tap


class Gateway(http.server.BaseHTTPRequestHandler):
    """Refuses every handshake in the way of its first path element."""

    refusals = {
        "token": (401, "APIG.0301", "Incorrect IAM authentication "
                  "information: decrypt token fail"),
        "project": (403, "APIG.0310", "The project is unavailable."),
        "path": (404, "APIG.0101", "API not found."),
    }

    def do_GET(self):
        status, code, message = self.refusals[self.path.split("/")[1]]
        body = json.dumps({"error_code": code, "error_msg": message,
                           "request_id": "r-1"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def errors(program, environment, *properties):
    """The lines of errors that it prints, and its exit status."""
    done = subprocess.run(
        [program, "audiotestsrc", "num-buffers=50", "!", "sissink",
         "sync=false", "project-id=demo", *properties],
        env=dict(os.environ, **environment), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=60)
    lines = re.findall(r"^ERROR: from element \S+sissink\d*: (.*)$",
                       done.stdout, re.M)
    return lines, done


def check(tap, program, who, parts, environment, *properties):
    lines, done = errors(program, environment, *properties)
    problems = []
    if len(lines) != 1:
        problems.append(f"{len(lines)} errors: {done.stdout}")
    problems += [f"no '{part}' in: {line}" for line in lines for part in parts
                 if part not in line]
    if done.returncode == 0:
        problems.append("it ended with status 0")
    if "hush" in done.stdout:
        problems.append("it tells a secret")
    tap.check(f"one line tells a user {who}", problems)


def main():
    program = sys.argv[1]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"ws://127.0.0.1:{server.server_port}"
    token = {"SIS_AUTH_TOKEN": "hush-hush"}
    tap = Tap()
    check(tap, program, "without credentials",
          ["No credentials", "auth-token", "HUAWEICLOUD_SDK_AK"], {})
    check(tap, program, "with a wrong token",
          ["401", "APIG.0301", "decrypt token fail", "auth-token"], token,
          f"endpoint={address}/token")
    check(tap, program, "with a wrong project",
          ["403", "APIG.0310", "project-id"], token,
          f"endpoint={address}/project")
    check(tap, program, "with a wrong address",
          ["404", "APIG.0101", "endpoint", "region"], token,
          f"endpoint={address}/path")
    proxy = closed_port()
    check(tap, program, "behind a dead proxy",
          [f"127.0.0.1:{proxy}", "Check proxy"], token,
          "endpoint=wss://127.0.0.1:1",
          f"proxy=http://hush:hush@127.0.0.1:{proxy}")
    check(tap, program, "without a project", ["project-id"], token,
          "project-id=", f"endpoint={address}/token")
    server.shutdown()
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks for secrets in all that a program writes that is full of them: bus
messages, logs of all kinds at their most verbose, dot files, properties.

    secrets.py SECRETIVE
"""

import base64
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

from tap import Tap

ELEMENTS = ("sissink", "sistranscriber")

SECRETS = {
    # As long as those of IAM: whoever repeats it may cut it.
    "TEST_TOKEN": "MIIToken0123456789" + "abcdefghijklmnopqrstuvwxyz" * 100,
    "TEST_SECRET_KEY": "secretkey/0123456789+abcdefghijklmnop",
    "TEST_SECURITY_TOKEN": "ststoken0123456789abcdefghijklmnopqrstuv",
    "TEST_PASSWORD": "pass word of the tester",
    "TEST_HEADER": "value-of-a-header-of-mine",
    "TEST_PROXY_USER": "proxy-user-name",
    "TEST_PROXY_PASSWORD": "proxy-pass-word",
}

# What each scenario has to say, so that silence proves nothing by itself.
EXPECTED = {
    "success": "message eos",
    "key": "message eos",
    "login": "message eos",
    "refusal": "APIG.0301",
    "encoded-refusal": "APIG.0302",
    "cut-refusal": "APIG.0302",
    "key-refusal": "APIG.0301",
    "login-refusal": "IAM",
    "redirect": "redirects",
    "error": "SIS.0032",
    "transcript": "heard",
    "echo": "sis-event",
    "gone": "refused",
    "setting": "auth-token",
    "proxy": "message eos",
    "proxy-refusal": "407",
    "proxy-setting": "proxy must begin",
}


def forms(secret):
    """As it stands, cut anywhere, and as it might be encoded."""
    raw = secret.encode()
    # One of these is in whatever has 32 bytes of it.
    for at in range(0, max(len(raw) - 15, 1), 16):
        part = raw[at:at + 16]
        yield part
        yield b"".join(b"%%%02x" % byte for byte in part)
    yield base64.b64encode(raw)
    yield urllib.parse.quote(secret).encode()
    yield secret.replace("/", "\\/").encode()


def run(program, scenario, element, folder):
    """All that it wrote, and its exit status."""
    env = dict(os.environ, **SECRETS, GST_DEBUG="*:9", GST_DEBUG_NO_COLOR="1",
               G_MESSAGES_DEBUG="all", SOUP_DEBUG="1", G_DEBUG="",
               GST_DEBUG_DUMP_DOT_DIR=str(folder))
    done = subprocess.run([program, scenario, element], env=env, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    dots = b"".join(path.read_bytes() for path in sorted(folder.glob("*.dot")))
    return done.stdout + dots, done.returncode


def problems(output, status, scenario):
    found = []
    if status != 0:
        found.append(f"it ended with status {status}")
    if EXPECTED[scenario].encode() not in output:
        found.append(f"it does not say '{EXPECTED[scenario]}'")
    if b"TRACE" not in output or b"digraph" not in output:
        found.append("there are no logs, or no dot file")
    for name, secret in SECRETS.items():
        for form in forms(secret):
            at = output.find(form)
            if at >= 0:
                line = output[output.rfind(b"\n", 0, at) + 1:at]
                found.append(f"{name} is in it, behind: "
                             + line[-200:].decode("utf-8", "replace"))
                break
    # Signatures and tokens of IAM are made at run time; their headers are not.
    for header in (b"Authorization: SDK-HMAC", b"X-Auth-Token: ",
                   b"X-Subject-Token: ", b"Signature="):
        if header in output:
            found.append(f"{header.decode()} is in it")
    return found


def main():
    program = sys.argv[1]
    tap = Tap()
    listed = subprocess.run([program], stdout=subprocess.PIPE, text=True)
    tap.check("all scenarios are known",
              sorted(set(listed.stdout.split()) ^ set(EXPECTED)))
    for element in ELEMENTS:
        for scenario in EXPECTED:
            with tempfile.TemporaryDirectory() as folder:
                output, status = run(program, scenario, element,
                                     pathlib.Path(folder))
            tap.check(f"{element} tells no secret: {scenario}",
                      problems(output, status, scenario))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

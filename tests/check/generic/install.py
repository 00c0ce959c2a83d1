# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `meson install` puts where, what `meson dist` packs, and whether the
manuals are whole.

    install.py install MESON BUILD_ROOT PREFIX PLUGINS_DIR PROGRAM…
    install.py dist MESON BUILD_ROOT SOURCE_ROOT
    install.py manuals PROGRAM MANUAL…
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

from tap import Tap


def run(*command, **more):
    return subprocess.run(command, text=True, encoding="utf-8",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **more)


def failure(done):
    return [] if done.returncode == 0 else [done.stdout[-2000:]]


def failures_of(tool, plugins):
    """Port 1 is closed; that is told by the plugin."""
    with tempfile.TemporaryDirectory() as name:
        env = dict(os.environ, GST_PLUGIN_PATH_1_0=str(plugins),
                   GST_REGISTRY=name + "/registry")
        env.pop("GST_PLUGIN_PATH", None)
        done = run(tool, "--set", "endpoint=ws://127.0.0.1:1", "--set",
                   "project-id=demo", "--source", "audiotestsrc num-buffers=9",
                   env=env)
    return ([] if done.returncode == 6 and "127.0.0.1" in done.stdout
            else [f"{done.returncode}: {done.stdout}"])


def check_manuals(tap, *files):
    for program, page in zip(files[::2], files[1::2]):
        shown = run(program, "--help").stdout
        options = set(re.findall(r"--[a-z][a-z-]+", shown)) - {
            "--help-all", "--help-gst"}
        text = pathlib.Path(page).read_text("utf-8").replace("\\", "")
        tap.check(f"{pathlib.Path(page).name} has all options of the program",
                  ([] if len(options) > 4 else [shown]) +
                  [option for option in sorted(options) if option not in text])


def check_install(tap, meson, build, prefix, plugins, *programs):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        done = run(meson, "install", "-C", build, "--no-rebuild", "--destdir",
                   name)
        tap.check("meson install installs", failure(done))
        found = sorted(str(path.relative_to(root)) for path in
                       root.rglob("*") if not path.is_dir())
        bindir = pathlib.Path(prefix.lstrip("/")) / "bin"
        manuals = pathlib.Path(prefix.lstrip("/")) / "share/man/man1"
        wanted = [f"{plugins.lstrip('/')}/libgstsis.so"]
        for program in programs:
            wanted += [str(bindir / program), str(manuals / f"{program}.1")]
        tap.check("the plugin, the tools and their manuals, and nothing else",
                  [f"{sorted(wanted)} are wanted, {found} installed"]
                  if found != sorted(wanted) else [])
        tap.check("what is installed works",
                  failures_of(root / bindir / "sis-transcribe",
                              pathlib.Path(str(root) + plugins)))


def check_dist(tap, meson, build, source):
    if (shutil.which("git") is None
            or run("git", "-C", source, "rev-parse", "HEAD").returncode != 0):
        print("1..0 # SKIP no git repository")
        sys.exit(0)
    done = run(meson, "dist", "-C", build, "--no-tests", "--allow-dirty",
               "--formats", "gztar")
    tap.check("meson dist packs", failure(done))
    archives = sorted(pathlib.Path(build, "meson-dist").glob("*.tar.gz"))
    if not archives:
        return
    with tempfile.TemporaryDirectory() as name, \
            tarfile.open(archives[-1]) as archive:
        archive.extractall(name)
        top = next(pathlib.Path(name).iterdir())
        tracked = run("git", "-C", source, "ls-tree", "-r", "--name-only",
                      "HEAD").stdout.splitlines()
        tap.check("what is packed is what is tracked",
                  [path for path in tracked if not (top / path).exists()])
        check_unpacked(tap, meson, top, top / "build")


def check_unpacked(tap, meson, top, build):
    """Not all of it, as `meson dist` would: that is the whole suite built and
    run a second time, more than ten minutes of a processor. What a packager
    needs, and two tests that show that theirs would be found and run, take two,
    as nothing is optimised; the rest of what is packed is what is tracked."""
    tests = ["test_endpoint", "test_message"]
    done = run(meson, "setup", build, top, "-Dtests=enabled",
               "--buildtype=plain")
    tap.check("it can be set up without git", failure(done))
    done = run(meson, "compile", "-C", build, "gstsis", "sis-transcribe",
               *tests)
    tap.check("it can be built", failure(done))
    done = run(meson, "test", "-C", build, "--no-rebuild", *tests)
    tap.check("tests of it pass", failure(done))
    tap.check("what is built of it works", failures_of(
        build / "tests/examples/sis-transcribe", build / "gst"))


def main():
    what, *args = sys.argv[1:]
    tap = Tap()
    {"install": check_install, "dist": check_dist,
     "manuals": check_manuals}[what](tap, *args)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

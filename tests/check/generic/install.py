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
        env = dict(os.environ, GST_PLUGIN_PATH_1_0=str(root) + plugins,
                   GST_REGISTRY=str(root / "registry"))
        # Port 1 is closed; that is told by the plugin.
        done = run(root / bindir / "sis-transcribe", "--set",
                   "endpoint=ws://127.0.0.1:1", "--set", "project-id=demo",
                   "--source", "audiotestsrc num-buffers=9", env=env)
        tap.check("what is installed works",
                  [] if done.returncode == 6 and "127.0.0.1" in done.stdout
                  else [f"{done.returncode}: {done.stdout}"])


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
        done = run(meson, "setup", top / "build", top, "-Dtests=enabled")
        tap.check("it can be set up without git", failure(done))


def main():
    what, *args = sys.argv[1:]
    tap = Tap()
    {"install": check_install, "dist": check_dist,
     "manuals": check_manuals}[what](tap, *args)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())

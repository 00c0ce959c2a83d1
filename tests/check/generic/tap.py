# SPDX-License-Identifier: LGPL-2.1-or-later
"""Test Anything Protocol, as far as these checks need it."""

import sys


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, problems):
        """One case; `problems` is a list of sentences, empty if all is well."""
        self.count += 1
        if problems:
            self.failed += 1
            print(f"not ok {self.count} - {name}")
            for problem in problems:
                print(f"# {problem}")
                print(f"{name}: {problem}", file=sys.stderr)
        else:
            print(f"ok {self.count} - {name}")

    def done(self):
        print(f"1..{self.count}")
        return 1 if self.failed or self.count == 0 else 0

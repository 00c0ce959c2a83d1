# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sums up what `meson test` wrote to meson-logs/testlog.json.

    report.py TESTLOG

Counts the cases of tests that name them (TAP, or GStreamer check's own
summary), and any other test as one. The last line is
`N passed, N failed, N skipped`; exit status 1 if a case failed or none ran.
"""

import json
import re
import sys

GOOD = {"OK", "EXPECTEDFAIL"}
TAP = re.compile(r"^(not )?ok\b[^#\n]*(?:#\s*(skip|todo)\b)?", re.I | re.M)
PLAN = re.compile(r"^1\.\.\d+", re.M)
CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$",
                   re.M)


def cases(test):
    """Passed, failed, skipped of one test."""
    output = test.get("stdout") or ""
    if test["result"] == "SKIP":
        return 0, 0, 1
    passed = failed = skipped = 0
    summaries = CHECK.findall(output)
    if PLAN.search(output):
        for failure, directive in TAP.findall(output):
            if directive.lower() == "skip":
                skipped += 1
            elif failure and directive.lower() != "todo":
                failed += 1
            else:
                passed += 1
    elif summaries:
        for checks, failures, errors in summaries:
            bad = int(failures) + int(errors)
            passed += int(checks) - bad
            failed += bad
    else:
        passed = 1 if test["result"] in GOOD else 0
    if test["result"] not in GOOD:
        failed = max(failed, 1)  # such as a crash after the last case
    return passed, failed, skipped


def main():
    passed = failed = skipped = 0
    bad = []
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            p, f, s = cases(test)
            passed, failed, skipped = passed + p, failed + f, skipped + s
            if f:
                bad.append(f"{test['name']} ({test['result']})")
    if bad:
        print("\nFailed: " + ", ".join(bad))
    if passed + failed == 0:
        print("No test was run.")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())

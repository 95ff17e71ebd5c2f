#!/usr/bin/env python3
"""Run every test, the fast ones first, and say in a few lines how it went. Standard library only.

`make test`; options, after `--` or without it, go to pytest: make test ARGS="-k exif".
"""

import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ("unit", "integration", "e2e")
NOTHING_SELECTED = 5  # pytest's exit status


def main() -> int:
    """Run the suites one after another, whatever becomes of each; the exit status."""
    options = sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]
    rows, skipped, status = [], [], 0
    for suite in SUITES:
        report = ROOT / "build" / f"tests-{suite}.xml"
        report.parent.mkdir(exist_ok=True)
        report.unlink(missing_ok=True)
        print(f"== {suite}", flush=True)
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", f"tests/{suite}", f"--junit-xml={report}", *options]
        try:
            ended = subprocess.run(command, cwd=ROOT).returncode
        except KeyboardInterrupt:
            return 130
        passed, failed, reasons = outcome(report)
        rows.append((suite, passed, failed, len(reasons), time.monotonic() - began))
        skipped += reasons
        status = status or (ended if ended != NOTHING_SELECTED else 0)
    print("\n           passed  failed  skipped  seconds")
    for suite, *numbers, seconds in rows:
        print(f"{suite:11}{numbers[0]:6}{numbers[1]:8}{numbers[2]:9}{seconds:9.0f}")
    print(verdict(status, sum(row[1] for row in rows), skipped), flush=True)
    return status


def outcome(report: Path) -> tuple[int, int, list[str]]:
    """How many tests of a JUnit report passed and failed, and why each other one was skipped; none without a report."""
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return 0, 0, []
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = [case.find("skipped").get("message") for case in cases if case.find("skipped") is not None]
    return len(cases) - failed - len(skipped), failed, skipped


def verdict(status: int, passed: int, skipped: list[str]) -> str:
    """The last lines. status: of the runs; skipped: the reason of each test that was skipped."""
    lines = [f"  {count}: {reason}" for reason, count in Counter(skipped).most_common()]
    if status:
        return "\n".join(["Some tests failed; see above.", *(["Others were skipped:", *lines] if lines else [])])
    if lines:
        return "\n".join([f"No test failed, but {len(skipped)} were skipped:", *lines])
    return "All tests passed." if passed else "No test was selected."


if __name__ == "__main__":
    sys.exit(main())

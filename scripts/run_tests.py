#!/usr/bin/env python3
"""Run every test, the fast ones first, and say in a few lines how it went. Standard library only.

`make test`; options after `--`, or in ARGS, go to pytest: make test ARGS="-k exif".
"""

import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ("unit", "integration", "e2e")
NOTHING_SELECTED = 5  # pytest's exit status


def main() -> int:
    """Run the suites one after another, whatever becomes of each; the exit status."""
    rows, status = [], 0
    for suite in SUITES:
        report = ROOT / "build" / f"tests-{suite}.xml"
        report.parent.mkdir(exist_ok=True)
        report.unlink(missing_ok=True)
        print(f"== {suite}", flush=True)
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", f"tests/{suite}", f"--junit-xml={report}", *sys.argv[1:]]
        try:
            ended = subprocess.run(command, cwd=ROOT).returncode
        except KeyboardInterrupt:
            return 130
        rows.append((suite, counts(report), time.monotonic() - began))
        status = status or (ended if ended != NOTHING_SELECTED else 0)
    print("\n           passed  failed  skipped  seconds")
    for suite, (passed, failed, skipped), seconds in rows:
        print(f"{suite:11}{passed:6}{failed:8}{skipped:9}{seconds:9.0f}")
    print("All tests passed." if status == 0 else "Some tests failed; see above.", flush=True)
    return status


def counts(report: Path) -> tuple[int, int, int]:
    """How many tests of a JUnit report passed, failed and were skipped; all 0 where there is none."""
    try:
        suites = ElementTree.parse(report).getroot().findall("testsuite")
    except (OSError, ElementTree.ParseError):
        return 0, 0, 0
    total, failures, errors, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    return total - failures - errors - skipped, failures + errors, skipped


if __name__ == "__main__":
    sys.exit(main())

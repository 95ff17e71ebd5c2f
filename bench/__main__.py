"""`python -m bench [SECTION ...]`: measure, write `build/bench.json`, and update the tables in `docs/engine.md`.

Sections: service, requests, rendering, history, load, engines, detectors, parts, throughput; all when none is named.
`bench.parity` and `bench.memory` are run by hand; the table shows what the first last wrote. Only ratios measured in
one run compare.
"""

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from app.config.settings import ROOT
from app.system.machine import cpu_count
from bench.tables import table

SECTIONS = ("service", "requests", "rendering", "history", "load", "engines", "detectors", "parts", "throughput")
RESULTS, PARITY = ROOT / "build" / "bench.json", ROOT / "build" / "parity.json"
DOCUMENT = ROOT / "docs" / "engine.md"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="what to measure")
    chosen = parser.parse_args(arguments).sections or SECTIONS
    # As in the supervisor's workers; it counts from NumPy's first import. Waiting OpenBLAS threads take the cores from
    # OpenVINO's.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    report: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    report["machine"] = machine()
    for section in chosen:
        print(f"measuring {section}", flush=True)
        measure: Callable[[], Any] = import_module(f"bench.{section}").measure
        report[section] = measure()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    if PARITY.is_file():
        report["parity"] = json.loads(PARITY.read_text())
    print(table(report))
    write_tables(report)
    return 0


def machine() -> str:
    """What the numbers were measured on, in one line."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    load = os.getloadavg()[0]
    return f"{cpu_count()} cores of {model[1] if model else platform.machine()}, load {load:.1f} at the start"


def write_tables(report: dict[str, Any]) -> None:
    """Put the tables between the markers of the document."""
    text = DOCUMENT.read_text() if DOCUMENT.is_file() else ""
    if BEGIN in text:
        before, _, rest = text.partition(BEGIN)
        DOCUMENT.write_text(f"{before}{BEGIN}\n{table(report)}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m bench [SECTION ...]`: measure, write `build/bench.json`, and bring the README's table up to date.

Sections: service, rendering, history, load, engines; all when none is named. Only ratios measured in one run compare.
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

from app.machine import cpu_count
from app.settings import ROOT

SECTIONS = ("service", "rendering", "history", "load", "engines")
RESULTS = ROOT / "build" / "bench.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help="what to measure")
    chosen = parser.parse_args(arguments).sections or SECTIONS
    report: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    report["machine"] = machine()
    for section in chosen:
        print(f"measuring {section}", flush=True)
        measure: Callable[[], Any] = import_module(f"bench.{section}").measure
        report[section] = measure()
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    print(table(report))
    write_readme(report)
    return 0


def machine() -> str:
    """What the numbers were measured on, in one line."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    load = os.getloadavg()[0]
    return f"{cpu_count()} cores of {model[1] if model else platform.machine()}, load {load:.1f} at the start"


def table(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    lines = [f"Measured on {report['machine']}.", "", "| What | Measured | Target |", "|---|---|---|"]
    lines += [f"| {what} | {value} | {target} |" for what, value, target in _rows(report)]
    return "\n".join([*lines, *_engine_table(report.get("engines"))])


def _rows(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    if service := report.get("service"):
        peak = service["peak_mb"]
        rows += [
            ("a photo in the worker, p50", f"{service['photo_seconds_p50']:.2f} s", ""),
            ("everything but the model, p50", f"{service['overhead_ms_p50']:.0f} ms", "60 ms"),
            ("a photo seen before, p50", f"{service['repeat_ms_p50']:.0f} ms", "30 ms"),
            ("peak memory of the web process", f"{peak['web']:.0f} MB", "100 MB"),
            ("peak memory of the worker process", f"{peak['worker']:.0f} MB", "512 MB"),
        ]
    for name, values in (report.get("load") or {}).items():
        pace = f"{values['requests_per_second']:.0f} a second"
        facts = f"{pace}, p50 {values['p50_ms']:.0f} ms, p99 {values['p99_ms']:.0f} ms, {values['refused']} refused"
        rows.append((f"{name.upper()} with 64 clients, worker busy", facts, ""))
    if rendering := report.get("rendering"):
        rows += [
            ("30 masks on 12 megapixels, drawing", f"{rendering['draw_ms']:.0f} ms", "150 ms"),
            ("the same with decoding and encoding", f"{rendering['decode_draw_encode_ms']:.0f} ms", ""),
        ]
    for database, values in (report.get("history") or {}).items():
        slowest = max(values.values())
        rows.append((f"slowest history query at 100,000 runs, {database}", f"{slowest:.1f} ms", ""))
    return rows


def _engine_table(engines: dict[str, Any] | None) -> list[str]:
    if not engines:
        return []
    lines = [
        "",
        "| Mask R-CNN R50-FPN at 800 px | Seconds a photo | Against MMDetection | Peak memory |",
        "|---|---|---|---|",
    ]
    base = engines["rows"]["MMDetection, preloaded"]["seconds"]
    for name, row in engines["rows"].items():
        lines.append(f"| {name} | {row['seconds']:.2f} | {base / row['seconds']:.1f}x | {row['peak_mb']:.0f} MB |")
    return lines


def write_readme(report: dict[str, Any]) -> None:
    """Put the table between the README's markers."""
    text = README.read_text() if README.is_file() else ""
    if BEGIN in text:
        before, _, rest = text.partition(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{table(report)}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

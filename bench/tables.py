"""The tables of what was measured, for `docs/engine.md`."""

from typing import Any

# What `bench.requests` measures, and beside it, in the same run, the least that Flask needs.
REQUESTS = {
    "status": "a run's state, as its page asks",
    "run": "a run by the API",
    "page": "the page of a run",
    "start": "the start page",
    "post": "a photo of 200 kB sent",
    "health": "/healthz",
    "bare": "a bare Flask view that reads one row, beside them",
}


def table(report: dict[str, Any]) -> str:
    """A report of `python -m bench` as Markdown."""
    lines = [f"Measured on {report['machine']}.", "", "| What | Measured | Target |", "|---|---|---|"]
    lines += [f"| {what} | {value} | {target} |" for what, value, target in _rows(report)]
    for section, rows in (("engines", _engines), ("parts", _parts), ("throughput", _throughput), ("parity", _parity)):
        if report.get(section):
            lines += ["", *rows(report[section])]
    return "\n".join(lines)


def _rows(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    if service := report.get("service"):
        peak = service["peak_mb"]
        rows += [
            ("a photo in the worker, p50", f"{service['photo_seconds_p50']:.2f} s", ""),
            ("everything but the model, p50", f"{service['overhead_ms_p50']:.0f} ms", "60 ms"),
            ("a photo seen before, p50", f"{service['repeat_ms_p50']:.0f} ms", "30 ms"),
            ("peak memory of the web process, nearly all of it what it imports", f"{peak['web']:.0f} MB", "100 MB"),
            ("peak memory of the worker process", f"{peak['worker']:.0f} MB", "512 MB"),
        ]
    if requests := report.get("requests"):
        rows += [(f"CPU of the web process, {what}", f"{requests[name]:.2f} ms", "") for name, what in REQUESTS.items()]
        memory = f"{requests['resident_mb']:.0f} MB"
        rows.append(("memory of the web process after 20,000 mixed requests", memory, "100 MB"))
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
        slowest = max(value for name, value in values.items() if not name.endswith("text"))
        rows.append((f"slowest history query at 100,000 runs, {database}", f"{slowest:.1f} ms", ""))
        by_text = max(value for name, value in values.items() if name.endswith("text"))
        rows.append((f"the same by a text, which reads them all, {database}", f"{by_text:.0f} ms", ""))
    return rows


def _engines(engines: dict[str, Any]) -> list[str]:
    lines = [
        "| Mask R-CNN R50-FPN, 800 px, 100 objects | Seconds a photo | Times as fast | Ready after | Peak memory |",
        "|---|---|---|---|---|",
    ]
    base = engines["rows"]["MMDetection, preloaded"]["seconds"]
    for name, row in engines["rows"].items():
        pace, ready = f"{row['seconds']:.2f} | {base / row['seconds']:.1f}x", f"{row['ready']:.1f} s"
        lines.append(f"| {name} | {pace} | {ready} | {row['peak_mb']:.0f} MB |")
    note = "Peak memory is everything resident at once, including library pages that the system can reclaim; "
    note += "the limits in [Memory](#memory) do not count most of those."
    return [*lines, "", note]


def _parts(report: dict[str, Any]) -> list[str]:
    lines = [f"| Where its time goes, seconds | {' | '.join(report)} |", f"|---|{'---|' * len(report)}"]
    for part in next(iter(report.values())):
        lines.append(f"| {part} | {' | '.join(f'{row[part]:.3f}' for row in report.values())} |")
    return lines


def _throughput(report: dict[str, Any]) -> list[str]:
    lines = [
        "| The same: photos a second | 1 worker | 2 workers | Dense graph: seconds a photo | in a batch of 4 |",
        "|---|---|---|---|---|",
    ]
    for precision, row in report.items():
        workers, dense = row["photos_per_second"], row["dense_seconds"]
        name = "bf16, or f32 where the CPU has none" if precision == "auto" else precision
        lines.append(f"| {name} | {workers['1']:.2f} | {workers['2']:.2f} | {dense['1']:.2f} | {dense['4']:.2f} |")
    return lines


def _parity(report: dict[str, Any]) -> list[str]:
    lines = [
        "| Answers beside MMDetection's | Instances | Equal | Masks | AP, MMDetection as truth | AP, labels |",
        "|---|---|---|---|---|---|",
    ]
    titles = {"starter": "starter", "r50": "R50-FPN, random weights"}
    for model, rows in report.items():
        for precision in ("f32", "bf16", "int8"):
            row = rows[precision]
            agreement, truth = (_pair(row.get(key)) for key in ("agreement_AP", "AP"))
            count, equal = f"{row['instances']:,} in {rows['photos']} photos", f"{row['matched']:.1%}"
            masks = "" if row["masks_matched"] is None else f"{row['masks_matched']:.1%}"
            lines.append(f"| {titles[model]}, {precision} | {count} | {equal} | {masks} | {agreement} | {truth} |")
        if "MMDetection" in rows:
            lines.append(f"| {titles[model]}, MMDetection itself |  |  |  |  | {_pair(rows['MMDetection']['AP'])} |")
    note = (
        "Equal: a box within half a pixel and a score within a thousandth of MMDetection's. Masks: of these, the share "
    )
    note += "with an overlap of at least 0.99."
    return [*lines, "", note]


def _pair(scores: dict[str, float] | None) -> str:
    return f"{scores['box']:.1f}, {scores['mask']:.1f}" if scores else ""

"""What a run comes to, on the terminal: the verdict and its reason first, then latencies, then the rest in words.

Columns fit 80 characters; on a narrower terminal what is inside the SLO goes below them, and lines break between
phrases.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from headway.bench.compare import Comparison, Row
from headway.bench.curve import Point
from headway.bench.readable import count, each_second, percent, ratio, seconds
from headway.bench.schema import Part, Summary, Verdict
from headway.bench.search import Found
from headway.bench.telling import (
    NAMELESS,
    PERCENTILES,
    POINT,
    cell,
    facts,
    latencies,
    parts,
    point_cells,
    share_inside,
)
from headway.cli.words import coloured

__all__ = [
    "columns_lines",
    "comparison_lines",
    "curve_lines",
    "found_lines",
    "phrases_lines",
    "show_lines",
    "summary_lines",
    "verdict_lines",
    "width",
]

COLOURS = {"VALID": "1;32", "OVERLOADED": "1;33", "FAILED": "1;31", "INVALID": "1;31"}
LABEL = 16
"""Columns of the words at the left."""
CELL = 10
INSIDE = "inside the SLO"
NARROWEST = 40


def width() -> int:
    """Of the terminal; 120 in a pipe or file, where lines may be as long as they read well."""
    return max(NARROWEST, shutil.get_terminal_size((120, 24)).columns) if sys.stdout.isatty() else 120


def show_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def summary_lines(summary: Summary, columns: int) -> Iterator[str]:
    yield from verdict_lines(summary.verdict, columns)
    yield ""
    yield from _latencies(summary, columns)
    yield ""
    for name, phrases in facts(summary):
        yield from phrases_lines(name, phrases, columns)
    for name, found in parts(summary):
        yield ""
        yield from _parts(name, found, columns)
    for caution in summary.verdict.cautions:
        yield from phrases_lines("note", [caution], columns)


def verdict_lines(verdict: Verdict, columns: int) -> Iterator[str]:
    first, *others = [reason.text for reason in verdict.reasons] or [""]
    line = f"{verdict.word}: {first}" if first else verdict.word
    for index, each in enumerate(_wrapped(line, columns, "  ")):
        yield (
            coloured(verdict.word, COLOURS[verdict.word], sys.stdout) + each[len(verdict.word) :] if not index else each
        )
    for other in others:
        yield from _wrapped(f"  also: {other}", columns, "  ")


def _latencies(summary: Summary, columns: int) -> Iterator[str]:
    rows = latencies(summary.whole, summary.slo)
    beside = columns >= LABEL + CELL * len(PERCENTILES) + 24
    has_limits = any(row.inside for row in rows)
    head = " " * LABEL + "".join(each.rjust(CELL) for each in PERCENTILES)
    yield head + (f"   {INSIDE}" if has_limits and beside else "")
    for row in rows:
        cells = "".join(cell(row.of, each).rjust(CELL) for each in PERCENTILES)
        yield (row.name.ljust(LABEL) + cells + (f"   {row.inside}" if beside else "")).rstrip()
    if has_limits and not beside:
        told = [f"{row.name}: {row.inside}" for row in rows if row.inside]
        yield from phrases_lines(INSIDE, told, columns)
    if any(percentile in row.of.thin for row in rows for percentile in PERCENTILES):
        yield from _wrapped("~ leans on the very last request: more of them would make it surer", columns, "  ")


def _parts(name: str, found: Sequence[Part], columns: int) -> Iterator[str]:
    heads = ("requests", "failed", "TTFT p50", "TTFT p99", "E2E p50", "inside", "output")
    rows = [
        (
            part.name or NAMELESS,
            count(part.figures.requests.due),
            count(part.figures.requests.failed),
            cell(part.figures.latency.ttft_sched, "p50"),
            cell(part.figures.latency.ttft_sched, "p99"),
            cell(part.figures.latency.e2e_sched, "p50"),
            share_inside(part.figures),
            f"{count(part.figures.tokens.output_rate)}/s",
        )
        for part in found
    ]
    yield from columns_lines(name, heads, rows, columns)


def found_lines(found: Found, share: float, slo: str, columns: int) -> Iterator[str]:
    """The answer of a search; its stages were told as they ended."""
    if found.rate <= 0:
        yield from _wrapped(f"no rate has {percent(share)} inside {slo}: {found.why}", columns, "  ")
        return
    if not found.bracketed:
        known = (
            f"at least {each_second(found.low)}" if found.high == float("inf") else f"below {each_second(found.high)}"
        )
        yield from _wrapped(f"not found: {known} with {percent(share)} inside {slo}; {found.why}", columns, "  ")
        yield from phrases_lines(
            "", [f"{found.stages} stages", f"{found.seconds:.0f} s of load", "give it more: --for"], columns
        )
        return
    high = each_second(found.high) if found.high < float("inf") else "no end seen"
    yield from _wrapped(
        f"{each_second(found.rate)} is the highest rate with {percent(share)} inside {slo} "
        f"(95 %: {each_second(found.low)} to {high})",
        columns,
        "  ",
    )
    yield from phrases_lines("", [f"{found.stages} stages", f"{found.seconds:.0f} s of load", found.why], columns)


def curve_lines(points: Sequence[Point], columns: int) -> Iterator[str]:
    ordered = sorted(points, key=lambda each: each.rate)
    rows = [(*point_cells(each), "" if each.verdict == "VALID" else each.verdict) for each in ordered]
    yield from columns_lines(POINT[0], (*POINT[1:], ""), rows, columns)


def comparison_lines(comparison: Comparison, columns: int) -> Iterator[str]:
    heads = ("A", "B", "B / A", "95 %", "")
    rows = [
        (
            each.statistic.name,
            _figure(each, each.a),
            _figure(each, each.b),
            ratio(each.ratio),
            _interval(each),
            each.told,
        )
        for each in comparison.rows
    ]
    yield from columns_lines("", heads, rows, columns)
    how = {
        "runs": f"{len(comparison.a)} pairs of runs, Student's t on their ratios",
        "paired": "paired: the same schedule on both sides, blocks of neighbours drawn together",
        "unpaired": "not paired: blocks of neighbours drawn from each side",
    }
    yield ""
    yield from _wrapped(f"{count(comparison.requests)} requests; {how[comparison.method]}", columns, "  ")
    for limit in comparison.limits:
        yield from _wrapped(f"note: {limit}", columns, "  ")


def _figure(row: Row, value: float) -> str:
    return {"seconds": seconds, "share": percent, "per_second": each_second}[row.statistic.unit](value)


def _interval(row: Row) -> str:
    return "-" if row.low != row.low else f"{ratio(row.low)} to {ratio(row.high)}"


def columns_lines(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]], columns: int) -> Iterator[str]:
    """The first column to the left, the others to the right; what does not fit is left out from the right, but for a
    last column of words (an empty head)."""
    table = [(name, *heads), *rows]
    wide = [max(len(row[index]) for row in table) for index in range(len(heads) + 1)]
    shown = list(range(len(wide)))
    while len(shown) > 3 and sum(wide[index] + 2 for index in shown) - 2 > columns:
        shown.pop(-2 if not heads[-1] else -1)
    for row in table:
        cells = [
            row[i].ljust(wide[i]) if not i or (i == len(heads) and not heads[-1]) else row[i].rjust(wide[i])
            for i in shown
        ]
        yield "  ".join(cells).rstrip()


def phrases_lines(name: str, phrases: Sequence[str], columns: int) -> Iterator[str]:
    """A word at the left, then phrases with three blanks between them; a line breaks between two of them."""
    line = name.ljust(LABEL) if len(name) < LABEL else name + "  "
    begun = False
    for phrase in phrases:
        if begun and len(line) + 3 + len(phrase) > columns:
            yield line
            line, begun = " " * LABEL, False
        line += f"   {phrase}" if begun else phrase
        begun = True
    yield from _wrapped(line, columns, " " * LABEL)


def _wrapped(line: str, columns: int, indent: str) -> list[str]:
    """A line that is too long breaks between words; one that fits keeps its blanks."""
    if len(line) <= columns:
        return [line.rstrip()]
    return textwrap.wrap(line, columns, subsequent_indent=indent, drop_whitespace=True, replace_whitespace=False) or [
        ""
    ]

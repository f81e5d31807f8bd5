"""ServeGen's data as its repository has it: a folder such as `data/language/m-large`, two files for each client.

`chunk-7-trace.csv` has no header: second, requests a second, cv, law of the gaps (empty: nothing was sent), its two
parameters. `chunk-7-dataset.json` has by second `input_tokens` and `output_tokens`, each a text that is a Python
mapping from a length to its part of all.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from itertools import accumulate, pairwise
from pathlib import Path
from typing import get_args

import msgspec

from headway.perf.traffic.clients import Client, Gaps, LengthTable, Window
from headway.wire.traces.lines import Lines, fault, whole

__all__ = ["TRACES", "WINDOW_SECONDS", "clients", "quantiles", "window_of"]

TRACES = "chunk-*-trace.csv"
WINDOW_SECONDS = 600.0
_CELLS = 6
_STEPS = 1000
"""Quantiles that a distribution is kept as."""
_AGAIN = "fetch the folder again"


def clients(folder: Path, start: float, end: float) -> list[Client]:
    """Those that sent something in windows that touch [start, end), and whose lengths are known."""
    found = []
    for path in sorted(folder.glob(TRACES)):
        windows = tuple(_windows(path, start, end))
        if windows:
            name = path.name.split("-")[1]
            if tables := _tables(folder / f"chunk-{name}-dataset.json"):
                found.append(Client(name, windows, tables))
    return found


def window_of(lines: Lines, times: tuple[float, float], rate: str, law: str, shape: str) -> Window | None:
    """From the cells of the line that came last; None: nothing was sent in it. `times`: its beginning, its seconds."""
    if not law or not rate or float_of(lines, rate) <= 0:
        return None
    gaps = next((each for each in get_args(Gaps) if each.casefold() == law.casefold()), None)
    if gaps is None:
        raise lines.fault(f"found {law[:40]!r}", f"the law of the gaps is to be one of {', '.join(get_args(Gaps))}")
    number = float_of(lines, shape) if gaps != "Exponential" else 0.0
    if gaps != "Exponential" and not 1e-4 <= number <= 1e6:
        raise lines.fault(f"found the shape {shape[:40]!r}", "it is to be above 0: mend or remove the line")
    return Window(*times, float_of(lines, rate), gaps, number)


def float_of(lines: Lines, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise lines.fault(f"found {text[:40]!r}", "it is to be a number: mend or remove the line")
    return number


def _windows(path: Path, start: float, end: float) -> Iterator[Window]:
    lines = Lines(path)
    rows: list[tuple[float, list[str], int]] = []
    for text in lines:
        cells = [each.strip() for each in text.split(",")]
        if len(cells) != _CELLS:
            raise lines.fault(
                f"found {len(cells)} cells", "there are to be 6: second, rate, cv, law and its parameters"
            )
        rows.append((float_of(lines, cells[0]), cells, lines.number))
    for (begins, cells, number), (after, _, _) in pairwise(
        [*rows, (rows[-1][0] + WINDOW_SECONDS, [], 0)] if rows else []
    ):
        lines.number = number  # a fault is that line's
        seconds = after - begins
        if seconds <= 0:
            raise lines.fault("the next window does not begin later", _AGAIN)
        if (
            begins < end
            and begins + seconds > start
            and (window := window_of(lines, (begins, seconds), cells[1], *cells[3:5]))
        ):
            yield window


def _tables(path: Path) -> tuple[LengthTable, ...]:
    try:
        by_second = msgspec.json.decode(whole(path), type=dict[str, dict[str, str]])
        found = []
        for second, fields in by_second.items():
            laws = [ast.literal_eval(fields[name]) for name in ("input_tokens", "output_tokens")]
            if all(laws):
                found.append(LengthTable(float(second), *(quantiles(each) for each in laws)))
    except (msgspec.MsgspecError, ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        shown = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise fault(path, 0, f"not lengths of ServeGen: {shown}", _AGAIN) from None
    return tuple(sorted(found, key=lambda each: each.start))


def quantiles(parts: Mapping[float, float]) -> tuple[float, ...]:
    """Of a distribution, `_STEPS` + 1 of them, equal parts apart."""
    lengths = sorted(parts)
    sums = list(accumulate(parts[each] for each in lengths))
    found, at = [], 0
    for step in range(_STEPS + 1):
        while at < len(sums) - 1 and sums[at] < sums[-1] * step / _STEPS:
            at += 1
        found.append(float(lengths[at]))
    return tuple(found)

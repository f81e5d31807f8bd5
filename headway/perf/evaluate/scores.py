"""By how much predictions miss: absolute errors in per cent of what was measured, and what is inside the band.

A row that cannot be predicted is not left out: it counts as 100 % and as outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from headway.perf.evaluate.foresee import Foreseen
from headway.perf.evaluate.row import Measured
from headway.perf.prediction import Band

__all__ = ["Figure", "Score", "Scored", "scores"]


@dataclass(frozen=True, slots=True)
class Scored:
    """A row and its prediction; None: why not."""

    row: Measured
    foreseen: Foreseen | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """Shares, not per cent: of the errors the mean and the median, of rows inside the band, and how much wider its
    upper end is than its lower one, as a factor, on the median."""

    mean: float
    median: float
    inside: float
    width: float


@dataclass(frozen=True, slots=True)
class Score:
    """Of the rows of one group; `predicted` of them could be."""

    group: tuple[str, ...]
    rows: int
    predicted: int
    tpot: Figure
    ttft: Figure


def scores(rows: Sequence[Scored]) -> list[Score]:
    """Of each system, model and engine, by name; last of all rows. Those that were not measured have no error."""
    rows = [each for each in rows if each.row.compared]
    groups: dict[tuple[str, ...], list[Scored]] = {}
    for each in rows:
        groups.setdefault((*each.row.group, each.row.mode), []).append(each)
    found = [_score(group, groups[group]) for group in sorted(groups)]
    modes = sorted({each.row.mode for each in rows})
    for mode in modes if len(modes) > 1 else ():
        found.append(_score(("all", "", "", mode), [each for each in rows if each.row.mode == mode]))
    return [*found, _score(("all", "", "", ""), rows)] if rows else []


def _score(group: tuple[str, ...], rows: Sequence[Scored]) -> Score:
    tpot = _figure((each.row.tpot, each.foreseen.tpot if each.foreseen else None) for each in rows)
    ttft = _figure((each.row.ttft, each.foreseen.ttft if each.foreseen else None) for each in rows)
    return Score(group, len(rows), sum(each.foreseen is not None for each in rows), tpot, ttft)


def _figure(pairs: Iterable[tuple[float, Band | None]]) -> Figure:
    errors: list[float] = []
    inside: list[bool] = []
    widths: list[float] = []
    for measured, band in pairs:
        errors.append(abs(band.value - measured) / measured if band and measured else 1.0)
        inside.append(bool(band and band.low <= measured <= band.high))
        if band and band.low > 0:
            widths.append(band.high / band.low)
    return Figure(fmean(errors), median(errors), fmean(inside), median(widths) if widths else 0.0)

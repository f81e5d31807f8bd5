"""All rows of a file, each with its prediction or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from headway.errors import HeadwayError, UsageError
from headway.perf.constants import Constants
from headway.perf.evaluate.foresee import foresee
from headway.perf.evaluate.row import COLUMNS, Measured, measured
from headway.perf.evaluate.scores import Scored

__all__ = ["ADDED", "added", "scored"]

ADDED = (
    "predicted_ttft_ms",
    "predicted_tpot_ms",
    "predicted_ttft_lo_ms",
    "predicted_ttft_hi_ms",
    "predicted_tpot_lo_ms",
    "predicted_tpot_hi_ms",
    "predicted",
    "not_predicted_because",
)
"""Columns that a row gets."""


def scored(rows: Iterable[Mapping[str, str]], file: str, by: Constants) -> Iterator[Scored]:
    """UsageError: a column or a measured figure is missing; what is only unknown to us is a reason, not an error."""
    for line, fields in enumerate(rows, 2):
        if line == 2 and (missing := [each for each in COLUMNS if each not in fields]):
            raise UsageError(f"{file}:1: no column {', '.join(missing)}", hint=f"wanted are {', '.join(COLUMNS)}")
        yield _scored(measured(fields, line, file), by)


def _scored(row: Measured, by: Constants) -> Scored:
    if not row.callers:
        return Scored(row, None, "neither its concurrency nor a batch is told")
    if not row.prompt or not row.output:
        return Scored(row, None, "no tokens")
    try:
        return Scored(row, foresee(row, by))
    except HeadwayError as error:
        return Scored(row, None, str(error))


def added(each: Scored) -> dict[str, str]:
    """The added columns' values."""
    if each.foreseen is None:
        return dict.fromkeys(ADDED, "") | {"predicted": "no", "not_predicted_because": each.reason}
    ttft, tpot = each.foreseen.ttft, each.foreseen.tpot
    values = (ttft.value, tpot.value, ttft.low, ttft.high, tpot.low, tpot.high)
    figures = (f"{seconds * 1e3:.4f}" for seconds in values)
    return dict(zip(ADDED, (*figures, "yes", ""), strict=True))

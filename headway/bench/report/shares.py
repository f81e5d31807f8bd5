"""Which share of requests was no slower: the curves of TTFT, time between tokens and E2E."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headway.bench.arrays import Floats, Ints
from headway.bench.measures import measured
from headway.bench.readable import seconds, tick_percent, tick_seconds
from headway.bench.record import Record
from headway.bench.report.plot import Mark, Plot, Series, Tone
from headway.bench.report.scale import around, linear
from headway.bench.schema import Slo

__all__ = ["share_plots"]

POINTS = 240
"""Of a curve: more cannot be seen."""


def share_plots(records: Sequence[Record], limits: Sequence[Slo]) -> list[Plot]:
    of = measured(list(records))
    plots = [
        _plot(
            "Time to first token",
            [("from due", of.ttft_sched, None, "accent"), ("from sent", of.ttft_send, None, "muted")],
            "ttft",
            limits,
        ),
        _plot("Time between tokens", [("", of.gaps.seconds, of.gaps.tokens, "accent")], "itl", limits),
        _plot(
            "Whole answer",
            [("from due", of.e2e_sched, None, "accent"), ("from sent", of.e2e_send, None, "muted")],
            "e2e",
            limits,
        ),
        _plot("Time per output token", [("", of.tpot, None, "accent")], "tpot", limits),
    ]
    return [each for each in plots if each is not None]


def _plot(
    title: str, curves: Sequence[tuple[str, Floats, Ints | None, Tone]], limit: str, limits: Sequence[Slo]
) -> Plot | None:
    series, values = [], list[float]()
    for name, column, weights, tone in curves:
        points, half = _curve(column, weights)
        if points:
            series.append(
                Series(
                    name or "p50",
                    points,
                    tone,
                    dashed=tone == "muted",
                    told=f"p50 {seconds(half)}" if name else seconds(half),
                )
            )
            values += [x for x, _ in points]
    if not series:
        return None
    allowed = sorted({value for slo in limits if (value := getattr(slo, limit)) is not None})
    marks = [Mark(f"SLO {seconds(each)}", each) for each in allowed[:2]]
    return Plot(
        title,
        around([*values, *allowed], tick_seconds, log=True),
        linear(0.0, 1.0, tick_percent),
        series,
        marks=marks,
        note="share that was no slower; a curve that ends below 100 % lacks what failed"
        if _lacks(series)
        else "share that was no slower",
    )


def _curve(column: Floats, weights: Ints | None) -> tuple[list[tuple[float, float]], float]:
    """(seconds, share that was no slower), and the median; failed ones (infinite) are in the whole."""
    has = ~np.isnan(column)
    column = column[has]
    each = np.ones(len(column)) if weights is None else weights[has].astype(np.float64)
    if not len(column) or not np.isfinite(column).any():
        return [], math.nan
    order = np.argsort(column, kind="stable")
    column, below = column[order], np.cumsum(each[order])
    share = below / below[-1]
    half = float(column[int(np.searchsorted(share, 0.5 - 1e-12))])
    finite = int(np.isfinite(column).sum())
    # Evenly in share, and the far end point by point: the tail is what people look for.
    inner = np.searchsorted(share[:finite], np.linspace(0, share[finite - 1], POINTS))
    index = np.unique(np.clip(np.concatenate([[0], inner, np.arange(max(0, finite - 12), finite)]), 0, finite - 1))
    return [(float(column[at]), float(share[at])) for at in index], half


def _lacks(series: Sequence[Series]) -> bool:
    return any(each.points[-1][1] < 0.9999 for each in series)

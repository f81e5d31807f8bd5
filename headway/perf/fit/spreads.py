"""Bands from the residuals of rows that were left out: conformal quantiles by what a row is like."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

from headway.perf.bands import KINDS
from headway.perf.constants import Spread
from headway.perf.fit.check import Left

__all__ = ["spreads"]

ENOUGH = 25
"""Rows of a like, or the next wider one counts."""
OUTSIDE = 0.05
"""Share of rows below a band, and above it."""


def spreads(left: Sequence[Left]) -> dict[str, Spread]:
    """By like (see `headway.perf.bands`). Who knows less never has the narrower band."""
    residuals: dict[str, list[float]] = {}
    for each in left:
        lane, engine = each.sample.row.lane, each.sample.settings[0].engine
        for figure, miss in (("tpot", each.tpot), ("ttft", each.ttft)):
            for like in (f"{lane}/{engine}/{each.kind}", f"{lane}/any/{each.kind}", lane):
                residuals.setdefault(f"{figure}/{like}", []).append(miss)
            residuals.setdefault(figure, []).append(miss)
    found = {like: _spread(misses) for like, misses in sorted(residuals.items()) if len(misses) >= ENOUGH}
    for like, spread in list(found.items()):
        *path, last = like.split("/")
        if last in KINDS:
            less = [found.get("/".join([*path, kind])) for kind in _knows_more(last)]
            known = [spread, *(each for each in less if each)]
            found[like] = Spread(min(each.low for each in known), max(each.high for each in known), spread.rows)
    return found


def _knows_more(kind: str) -> tuple[str, ...]:
    return {"seen": (), "new-both": KINDS[:3]}.get(kind, KINDS[:1])


def _spread(misses: Sequence[float]) -> Spread:
    """Quantiles of a sample to which one more is to come: of rank share x (n + 1)."""
    ordered, count = sorted(misses), len(misses)
    low = max(0, floor(OUTSIDE * (count + 1)) - 1)
    high = min(count - 1, ceil((1 - OUTSIDE) * (count + 1)) - 1)
    return Spread(round(ordered[low], 4), round(ordered[high], 4), count)

"""Which requests are inside their limits.

A limit of TTFT or E2E is meant from when the request was due, for that is what its user felt. A limit of ITL is kept
when at most 5 % of the gaps between its tokens are longer: a mean would be TPOT again, and hide the pauses. A limit
that cannot apply (ITL of an answer that was not streamed, TPOT of one token) is neither kept nor missed. A failed
request misses every limit; one that the workload cancelled is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.bench.arrays import Bools, Floats
from headway.bench.measures import Measured, measured
from headway.bench.record import Record
from headway.bench.schema import Slo

__all__ = ["LIMITS", "Kept", "Slo", "as_slos", "hits", "kept"]

LIMITS = ("ttft", "itl", "tpot", "e2e")
LONG_GAPS = 20
"""One in so many gaps between tokens may be longer than the limit: the 95th percentile, as everywhere in Headway."""


@dataclass(frozen=True, slots=True)
class Kept:
    """By request, in the order they were given. `asked`: all but the workload's own cancellations; `inside`: of those,
    answered, and every limit that applies kept. By limit: whom it applies to, and who keeps it."""

    asked: Bools
    inside: Bools
    applies: dict[str, Bools]
    keeps: dict[str, Bools]


def as_slos(slo: Slo | Sequence[Slo] | None) -> list[Slo]:
    if slo is None:
        return []
    return [slo] if isinstance(slo, Slo) else list(slo)


def hits(records: Sequence[Record], slo: Slo | Sequence[Slo] | None) -> Bools:
    """Whether each request was inside its limits; without limits, whether it was answered."""
    return kept(measured(records), as_slos(slo)).inside


def kept(of: Measured, slos: Sequence[Slo]) -> Kept:
    asked = ~of.cancelled
    inside = asked & of.answered
    applies, keeps = {}, {}
    for name in LIMITS:
        if all(getattr(slo, name) is None for slo in slos):
            continue
        limit = _limit(of, slos, name)
        has, good = _within(of, name, limit)
        has = asked & ~np.isnan(limit) & (has | of.failed)
        good = good & has & ~of.failed
        applies[name], keeps[name] = has, good
        inside = inside & (good | ~has)
    return Kept(asked, inside, applies, keeps)


def _limit(of: Measured, slos: Sequence[Slo], name: str) -> Floats:
    """The limit of each request; nan: it has none."""
    found = np.full(len(of), np.nan)
    free = np.ones(len(of), np.bool_)
    for slo in slos:
        fits = free.copy()
        for group in ("model", "tenant", "adapter", "operation"):
            wanted = getattr(slo, group)
            if wanted is not None:
                fits &= of.having(group, wanted)
        limit = getattr(slo, name)
        found[fits] = np.nan if limit is None else limit
        free &= ~fits
    return found


def _within(of: Measured, name: str, limit: Floats) -> tuple[Bools, Bools]:
    """Who has the measure at all, and for whom it is no more than the limit."""
    if name == "itl":
        return _gaps_within(of, limit)
    row = {"ttft": of.ttft_sched, "tpot": of.tpot, "e2e": of.e2e_sched}[name]
    return ~np.isnan(row), row <= limit


def _gaps_within(of: Measured, limit: Floats) -> tuple[Bools, Bools]:
    gaps = of.gaps
    long = np.where(gaps.seconds > limit[gaps.owner], gaps.tokens, 0)
    too_long = np.bincount(gaps.owner, weights=long, minlength=len(of))
    every = np.bincount(gaps.owner, weights=gaps.tokens, minlength=len(of))
    return every > 0, too_long * LONG_GAPS <= every

"""Which requests are inside their limits.

A limit of TTFT or E2E is meant from when the request was due, for that is what its user felt. A limit of ITL is kept when
at most 5 % of the request's own gaps between tokens are longer: a mean would be TPOT again, and hide the pauses. A limit
that cannot apply (ITL of an answer that was not streamed, TPOT of one token) is neither kept nor missed. A failed request
misses every limit; one that the workload cancelled is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.bench.measures import Measured, measured
from headway.bench.record import Record
from headway.bench.schema import Slo

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]

__all__ = ["LIMITS", "Kept", "Slo", "as_slos", "hits", "kept"]

LIMITS = ("ttft", "itl", "tpot", "e2e")
LONG_GAPS = 20
"""One in so many gaps between tokens may be longer than the limit: the 95th percentile, as everywhere in Headway."""


@dataclass(frozen=True, slots=True)
class Kept:
    """By request, in the order they were given: `asked` (all but the workload's own cancellations), `inside` (asked, answered
    and every limit that applies kept); by limit, the requests that it applies to and those that keep it."""

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
    values = {"ttft": of.ttft_sched, "tpot": of.tpot, "e2e": of.e2e_sched}
    asked = ~of.cancelled
    inside = asked & of.answered
    applies, keeps = {}, {}
    for name in LIMITS:
        limit = _limit(of, slos, name)
        if limit is None:
            continue
        if name == "itl":
            has, good = _gaps_within(of, limit)
        else:
            has, good = values[name] == values[name], values[name] <= limit  # noqa: PLR0124 (nan is not itself)
        has = asked & (limit == limit) & (has | of.failed)  # noqa: PLR0124
        good &= has & ~of.failed
        applies[name], keeps[name] = has, good
        inside &= good | ~has
    return Kept(asked, inside, applies, keeps)


def _limit(of: Measured, slos: Sequence[Slo], name: str) -> Floats | None:
    """The limit of each request, nan = none; None where nobody has one."""
    import numpy as np

    if all(getattr(slo, name) is None for slo in slos):
        return None
    found = np.full(len(of), np.nan)
    open_ = np.ones(len(of), dtype=np.bool_)
    for slo in slos:
        fits = open_.copy()
        for group in ("model", "tenant", "adapter", "operation"):
            wanted = getattr(slo, group)
            if wanted is not None:
                fits &= of.having(group, wanted)
        found[fits] = np.nan if getattr(slo, name) is None else getattr(slo, name)
        open_ &= ~fits
    return found


def _gaps_within(of: Measured, limit: Floats) -> tuple[Bools, Bools]:
    import numpy as np

    gaps = of.gaps
    long_ = np.where(gaps.seconds > limit[gaps.owner], gaps.tokens, 0)
    too_long = np.bincount(gaps.owner, weights=long_, minlength=len(of))
    every = np.bincount(gaps.owner, weights=gaps.tokens, minlength=len(of))
    return every > 0, too_long * LONG_GAPS <= every

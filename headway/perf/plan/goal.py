"""What users are to feel, what they are predicted to, and the figure that decides.

`predict` speaks of requests that are all as long as the mean one, whose waits are exponential. Prompts are not alike:
they wait longer for one another by the mean square of their work over its squared mean (Pollaczek-Khinchine, M/G/1
against M/D/1), and the 95th percentile of the time to the first token has the spread of one's own prefill in it, too.
Waiting and one's own prompt are independent, so the two tails are added as squares (exact for normal laws).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import hypot, inf, log

from headway.perf.plan.demand import Lengths
from headway.perf.plan.played import Played
from headway.perf.prediction import Band, Prediction
from headway.spec.model import Slo
from headway.spec.workload import Objectives

__all__ = ["Felt", "Goal", "Miss", "as_played", "felt"]


@dataclass(frozen=True, slots=True)
class Goal:
    """Seconds at the 95th percentile (`tpot`: the mean of each request); None: no limit."""

    ttft: float | None = None
    itl: float | None = None
    tpot: float | None = None
    e2e: float | None = None

    @classmethod
    def of(cls, slo: Slo | None, objectives: Objectives | None) -> Goal:
        """The Model's, where it says any; else the Workload's."""
        if slo is not None and (slo.ttft is not None or slo.itl is not None):
            return cls(slo.ttft, slo.itl)
        if objectives is not None:
            return cls(objectives.ttft, objectives.itl, objectives.tpot, objectives.e2e)
        return cls()

    @property
    def limits(self) -> dict[str, float]:
        """By figure, those that there are."""
        said = {"ttft": self.ttft, "itl": self.itl, "tpot": self.tpot, "e2e": self.e2e}
        return {name: limit for name, limit in said.items() if limit is not None}


@dataclass(frozen=True, slots=True)
class Miss:
    """`figure` of the goal is `value` seconds, more than `limit`; of "load", requests that are more than it bears."""

    figure: str
    value: float
    limit: float

    @property
    def times(self) -> float:
        return self.value / self.limit if self.limit else inf


@dataclass(frozen=True, slots=True)
class Felt:
    """What one request feels; the mean request's prediction with the spread of prompts laid over."""

    ttft_p50: Band
    ttft_p95: Band
    itl_p50: Band
    itl_p95: Band
    tpot: Band
    e2e_p95: Band
    requests: float  # a second, of one replica
    running: float
    saturated: bool

    def miss(self, goal: Goal) -> Miss | None:
        """The worst of what is over its limit."""
        missed = max(self._misses(goal), key=lambda each: each.times, default=None)
        return Miss("load", inf, 1.0) if missed is None and self.saturated else missed

    def _misses(self, goal: Goal) -> Iterator[Miss]:
        found = {"ttft": self.ttft_p95, "itl": self.itl_p95, "tpot": self.tpot, "e2e": self.e2e_p95}
        for name, limit in goal.limits.items():
            if found[name].value > limit:
                yield Miss(name, found[name].value, limit)


def as_played(found: Felt, played: Played) -> Felt:
    """What was counted in place of what was reckoned, with the same share of it as its band."""
    return replace(
        found,
        ttft_p50=_moved(found.ttft_p50, played.ttft_p50),
        ttft_p95=_moved(found.ttft_p95, played.ttft_p95),
        itl_p50=_moved(found.itl_p50, played.itl_p50),
        itl_p95=_moved(found.itl_p95, played.itl_p95),
    )


def felt(found: Prediction, lengths: Lengths, longer: float) -> Felt:
    """`longer`: seconds that the prefill of the 95th percentile's prompt takes more than the mean one's, alone."""
    wait = (found.ttft_p95.value - found.ttft_p50.value) / log(10) if not found.saturated else inf
    own = found.ttft_p50.value - wait * log(2) if not found.saturated else 0.0
    ttft = _moved(found.ttft_p95, own + hypot(wait * lengths.uneven * log(20), max(longer, 0.0)))
    answer = found.tpot.value * (lengths.output_p95 - 1)
    return Felt(
        ttft_p50=found.ttft_p50,
        ttft_p95=ttft,
        itl_p50=found.itl_p50,
        itl_p95=found.itl_p95,
        tpot=found.tpot,
        e2e_p95=_moved(found.tpot, found.ttft.value + answer),
        requests=found.requests.value,
        running=found.running,
        saturated=found.saturated,
    )


def _moved(band: Band, value: float) -> Band:
    """The same shares of another value."""
    if not 0 < band.value < inf:
        return Band(value, value, value)
    return Band(band.low / band.value * value, value, band.high / band.value * value)

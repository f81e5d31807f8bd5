"""Who is judged: each policy with its one knob, from the most that it uses of a replica to the least."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from headway.policy.scaling.demand import Demand
from headway.policy.scaling.fixed import Fixed
from headway.policy.scaling.hpa import Hpa
from headway.policy.scaling.keda import Keda
from headway.policy.scaling.kpa import Kpa
from headway.policy.scaling.observation import Observation
from headway.policy.scaling.scaler import Memory, Scaler, Verdict

__all__ = ["ABLATIONS", "Subject", "ablations", "subjects"]

_LOADS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6)
"""Of a replica's capacity in tokens."""
_PLACES = (0.9, 0.75, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Of the requests that a replica runs at once: they rise faster than its load, so that the range is wider."""

ABLATIONS = ("no pending", "no survivors", "no hold", "no forecast", "no patience")


@dataclass(frozen=True, slots=True)
class Subject:
    """`knobs` from the cheapest to the one that keeps the SLO best."""

    name: str
    make: Callable[[float], Scaler]
    knobs: Sequence[float]


def subjects(peak: int) -> list[Subject]:
    """`peak`: replicas that the clairvoyant plan has at most."""
    counts = [float(each) for each in range(max(1, peak * 3 // 4), peak * 3 // 2 + 1)]
    return [
        Subject("headway", lambda knob: Demand(utilisation=knob), _LOADS),
        Subject("hpa", lambda knob: Hpa(utilisation=knob), _PLACES),
        Subject("keda", lambda knob: Keda(utilisation=knob), _PLACES),
        Subject("kpa", lambda knob: Kpa(utilisation=knob), _PLACES),
        Subject("fixed", lambda knob: Fixed(int(knob)), counts),
    ]


def ablations() -> list[Subject]:
    """Ours without one of its parts."""
    return [
        Subject(ABLATIONS[0], lambda knob: Blind(Demand(utilisation=knob, name=ABLATIONS[0])), _LOADS),
        Subject(ABLATIONS[1], lambda knob: Demand(utilisation=knob, margin=0.0, name=ABLATIONS[1]), _LOADS),
        Subject(ABLATIONS[2], lambda knob: Demand(utilisation=knob, hold=0.0, name=ABLATIONS[2]), _LOADS),
        Subject(ABLATIONS[3], lambda knob: Unforeseen(Demand(utilisation=knob, name=ABLATIONS[3])), _LOADS),
        Subject(ABLATIONS[4], lambda knob: Demand(utilisation=knob, least_rest=1.0, name=ABLATIONS[4]), _LOADS),
    ]


@dataclass(frozen=True, slots=True)
class Blind:
    """A Scaler that does not see what is starting: it asks for what is missing beside what is ready, each time."""

    scaler: Scaler

    @property
    def name(self) -> str:
        return self.scaler.name

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        found = self.scaler.decide(replace(seen, starting=()), memory, now)
        target = found.target
        if target > seen.ready:
            target = min(target + len(seen.starting), seen.high)
        return replace(found, target=target)


@dataclass(frozen=True, slots=True)
class Unforeseen:
    """A Scaler that is told no forecast; without a day's history nobody has one."""

    scaler: Scaler

    @property
    def name(self) -> str:
        return self.scaler.name

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        return self.scaler.decide(replace(seen, forecast=None), memory, now)

"""What the court finds, as values that become JSON. Seconds, replica-hours, shares of 1."""

from __future__ import annotations

import msgspec

__all__ = ["Bounds", "Finding", "Judged", "Point", "at_equal"]


class Point(msgspec.Struct, frozen=True):
    """One run of a policy. `operations`: replicas that came and went; `wasted`: given up before they were ready;
    `wait_p99`: of the time to the first token."""

    knob: float
    hours: float
    attained: float
    operations: int
    wasted: int
    most: int
    wait_p99: float | None


class Bounds(msgspec.Struct, frozen=True):
    """Replica-hours. `plan`: of the clairvoyant plan at `attained`; `deadline` None: not solved, `why` says it."""

    attained: float
    work: float
    plan: float
    peak: int
    deadline: float | None = None
    why: str = ""


class Judged(msgspec.Struct, frozen=True):
    """A policy on one trace. `hours`: at `attained`, the attainment that all are compared at, between the two points
    around it; of one that never attains it, those of its best point. `ratio`: to the clairvoyant plan at the same
    attainment. `cold`: with the cheapest knob that attains it warm, from nothing; `cold_ratio` at what it attains then.
    """

    name: str
    points: list[Point]
    attained: float
    hours: float
    ratio: float
    reaches: bool
    cold: Point | None = None
    cold_ratio: float | None = None

    @property
    def chosen(self) -> Point:
        """The cheapest run that attains it; else the one that attains most."""
        good = [each for each in self.points if each.attained >= self.attained]
        return min(good, key=lambda each: each.hours) if good else max(self.points, key=lambda each: each.attained)


class Finding(msgspec.Struct, frozen=True):
    """One trace. `copies`: of the trace, laid over one another; `start`: of its window. `hits`: share of prompt tokens
    that a fixed fleet finds cached; `factor`: replica-seconds of a full replica over those that its speeds say."""

    trace: str
    start: float
    seconds: float
    requests: int
    copies: float
    hardware: str
    model: str
    slo_ttft: float | None
    slo_itl: float | None
    cold_start: float
    prefill: float
    decode: float
    sequences: float
    hits: float
    factor: float
    ready: int
    seed: int
    bounds: Bounds
    judged: list[Judged]


def at_equal(points: list[Point], attained: float) -> tuple[float, bool]:
    """Replica-hours at this attainment, and whether the policy attains it: the cheapest point that does, or less, by
    the straight line to the dearest point below it."""
    good = [each for each in points if each.attained >= attained]
    if not good:
        return max(points, key=lambda each: each.attained).hours, False
    upper = min(good, key=lambda each: each.hours)
    cheaper = [each for each in points if each.attained < attained and each.hours < upper.hours]
    if not cheaper:
        return upper.hours, True
    lower = max(cheaper, key=lambda each: each.attained)
    part = (attained - lower.attained) / (upper.attained - lower.attained)
    return lower.hours + part * (upper.hours - lower.hours), True

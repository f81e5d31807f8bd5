"""The court: every scaling policy on the same trace and the same simulated fleet, against a plan that knows the future.

    copies    of the trace, until the clairvoyant plan peaks at `peak` replicas
    factor    what requests really take of a full replica, over what its speeds say: one is filled and timed
    hits      what a fixed fleet finds cached; the plan is granted as much
    sweep     each policy's knob, by halving, until two neighbours lie around the attainment
    judge     replica-hours there, over the plan's at the same attainment; and the same knob from nothing

Everybody has the same router, engines, SLO and cold start, and everybody's every replica-second is paid, from the
decision to start it until it is gone or the trace ends; what prompts that wait then will take is added.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from headway.perf.traffic.planned import Planned
from headway.policy.scaling.observation import Capacity
from headway.sim.closing import Closing
from headway.sim.court.bounds.ask import Ask, Asks
from headway.sim.court.bounds.clairvoyant import clairvoyant
from headway.sim.court.bounds.deadline import deadline_bound
from headway.sim.court.bounds.work import work_bound
from headway.sim.court.finding import Bounds, Judged, Point, at_equal
from headway.sim.court.kept import Kept
from headway.sim.court.subjects import Subject
from headway.sim.fleet import ColdStart, Fleet, Manners, Served
from headway.sim.outcome import Change
from headway.sim.run import simulate

__all__ = ["ATTAINED", "Case", "asks_of", "bounds_of", "factor_of", "judge"]

ATTAINED = 0.99
"""Share of requests inside the SLO at which policies are compared."""
_FILL = 3000
"""Requests that fill one replica to time it; the first third is timed alone and taken off."""
_ENDLESS = Manners(waiting_max=1 << 30, wait=1e9)
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Case:
    """One trace, ready to be played. `served`: the Model, whose scaler and number are the subject's; `ready`: replicas
    that are there when it starts warm."""

    served: Served
    traffic: Kept
    asks: Asks
    cold_start: float
    ready: int
    peak: int
    seed: int


def asks_of(
    requests: Sequence[Planned], capacity: Capacity, *, seconds: float, patience: float, hits: float, factor: float
) -> Asks:
    """`hits`: of each prompt, so much is cached. An answer lasts as long as on a full replica."""
    pace = capacity.sequences / capacity.decode
    found = [
        Ask(
            each.at,
            factor * each.prompt_tokens * (1.0 - hits) / capacity.prefill,
            factor * each.output_tokens / capacity.decode,
            each.output_tokens * pace,
        )
        for each in requests
    ]
    return Asks(found, seconds, patience)


def factor_of(served: Served, requests: Sequence[Planned], capacity: Capacity) -> float:
    """One replica, so many requests at once as it bears, and more that wait in it: the time that it takes. What a third
    of them takes is taken off: else the last answers, which nobody is left to share steps with, count as if every
    stretch of work ended like that."""
    first = [replace(each, at=0.0, session=-1, turn=0, think=0.0) for each in requests[:_FILL]]
    time, told = _filled(served, first, capacity)
    if len(first) >= 3:
        less, told_less = _filled(served, first[: len(first) // 3], capacity)
        time, told = time - less, told - told_less
    return time / told


def _filled(served: Served, requests: Sequence[Planned], capacity: Capacity) -> tuple[float, float]:
    """Seconds that one replica takes for these, and that its speeds say."""
    limits = replace(served.limits, most_sequences=max(1, int(capacity.sequences)))
    alone = replace(served, scaler=None, replicas=1, warm=True, places=0, limits=limits, deadline=1e9)
    found = simulate(Fleet((alone,), aliases={"": served.name}, manners=_ENDLESS), Kept(requests))
    told = (capacity.seconds(each.prompt_tokens * (1.0 - found.whole.hits), each.output_tokens) for each in requests)
    return found.seconds, sum(told)


def bounds_of(case: Case, attained: float, *, ready: int, lp: bool = False) -> Bounds:
    """Replica-hours of bounds and plan."""
    plan = clairvoyant(case.asks, case.cold_start, attained=attained, ready=ready)
    solved = deadline_bound(case.asks, case.cold_start, attained=attained, ready=ready) if lp else None
    known = None if solved is None else solved.replica_seconds
    return Bounds(
        attained,
        work_bound(case.asks) / _HOUR,
        plan.replica_seconds / _HOUR,
        plan.peak,
        None if known is None else known / _HOUR,
        "" if solved is None else solved.why,
    )


def judge(case: Case, subject: Subject, bounds: Bounds, told: Callable[[str], None]) -> Judged:
    """One policy."""
    points = _sweep(case, subject, bounds.attained, told)
    hours, reaches = at_equal(points, bounds.attained)
    best = max(each.attained for each in points)
    plan = bounds if reaches else bounds_of(case, best, ready=case.ready)
    found = Judged(subject.name, points, bounds.attained, hours, hours / plan.plan, reaches)
    told(f"{subject.name} from nothing")
    cold = _play(case, subject, found.chosen.knob, warm=False)
    cold_plan = bounds_of(case, cold.attained, ready=0)
    return Judged(
        subject.name,
        points,
        plan.attained,
        hours,
        hours / plan.plan,
        reaches,
        cold,
        cold.hours / cold_plan.plan,
    )


def _sweep(case: Case, subject: Subject, attained: float, told: Callable[[str], None]) -> list[Point]:
    """Knobs by halving: each that is tried is in the frontier."""
    knobs, low, high = subject.knobs, 0, len(subject.knobs) - 1
    found: dict[int, Point] = {}

    def at(index: int) -> Point:
        if index not in found:
            told(f"{subject.name} {knobs[index]:g}")
            found[index] = _play(case, subject, knobs[index], warm=True)
        return found[index]

    while low < high:
        middle = (low + high) // 2
        if at(middle).attained >= attained:
            high = middle
        else:
            low = middle + 1
    at(low)
    if low > 0:
        at(low - 1)
    return [found[index] for index in sorted(found)]


def _play(case: Case, subject: Subject, knob: float, *, warm: bool) -> Point:
    scaler = subject.make(knob)
    served = replace(
        case.served,
        scaler=scaler,
        replicas=case.ready if warm else 1,
        low=1,
        high=4 * case.peak,
        warm=warm,
        cold=ColdStart(load=case.cold_start),
        idle_after=None,
    )
    closing = Closing(case.asks.seconds)
    found = simulate(Fleet((served,), aliases={"": served.name}), case.traffic, seed=case.seed, closing=closing)
    of, hours = found.replicas[0], found.hours
    if closing.paid is not None and served.capacity is not None:
        hours = (closing.paid + served.capacity.seconds(closing.owed, 0.0)) / _HOUR
    operations = sum(abs(each.target - before) for before, each in _steps(served.replicas, of.decisions))
    return Point(knob, hours, found.whole.attainment, operations, of.wasted, of.most, found.whole.ttft.p99)


def _steps(first: int, decisions: Sequence[Change]) -> list[tuple[int, Change]]:
    targets = [first, *(each.target for each in decisions)]
    return list(zip(targets, decisions, strict=False))

"""The search for the highest rate, against a real server: each stage is a run of its own.

    while True: what was seen -> decide -> a stage, or the answer

Before the first stage a few requests with one caller show what the server does alone. After a stage that it could not
keep up with, the next one begins when a single request is about as fast again: whoever is still busy with the last
stage's queue would be judged by it. A stage whose generator was at fault is not believed and done again; after a few
of them in a row the search ends and says so.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from headway.bench.limits import patience
from headway.bench.plan import Progress, RunPlan
from headway.bench.record import Record
from headway.bench.schema import Slo
from headway.bench.search import Found, Goal, Probe, Seen, decide
from headway.bench.staging import StageWatch
from headway.bench.trial import Trial, Watch, measure
from headway.bench.varied import at_rate, variation, with_one_caller
from headway.errors import EngineError

__all__ = ["Alone", "Stage", "Wish", "calm_down", "find", "look"]

LOOKS = 5
"""Requests with one caller; the first is left out, for it warms the server."""
CALM = 1.5
"""Times what it takes alone, at which a request is taken to be alone again."""
CALM_TRIES = 20
UNSOUND = frozenset({"unsent", "generator_cpu", "arrivals", "broken"})
"""Reasons of a verdict that are the generator's own: such a stage measured nothing."""
LATE = {"send_lag": "seen", "loop_delay": "p99"}
"""And those that say how late it was. A search asks for hits and not for milliseconds, and lateness makes only
misses:"""
LATE_OF_PATIENCE = 0.1
"""up to that part of what the SLO lets a request wait it is borne, and the answer can only be too low by it."""
OVERLOADED = frozenset({"waiting_grew", "refused"})
MOST_FAULTY = 3
"""Stages in a row whose generator was at fault; then more is asked than this machine can send."""


@dataclass(frozen=True, slots=True)
class Alone:
    """What one caller sees: seconds of a whole answer and of its first token, medians."""

    e2e: float
    ttft: float


@dataclass(frozen=True, slots=True)
class Wish:
    """`share` inside, `seconds` of load at the most, `precision` of the answer, `first` rate (None: found)."""

    share: float = 0.95
    seconds: float = 110.0
    precision: float = 0.03
    first: float | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """`asked` requests a second, and what came of it. `fault`: why it is not believed; empty = it is."""

    asked: float
    seen: Seen
    trial: Trial
    fault: str = ""


def find(
    plan: RunPlan,
    limits: list[Slo],
    wish: Wish,
    *,
    live: Callable[[Probe], Watch],
    told: Callable[[Stage], None],
) -> tuple[Found, list[Stage]]:
    """`live` is asked for a watcher of each stage, `told` hears of it at its end. Ctrl-C ends the search with what is
    known.

    Raises what a run raises before any load, and EngineError when the server answers not even one caller.
    """
    alone = look(plan, limits)
    goal = Goal(
        share=wish.share,
        seconds=wish.seconds,
        precision=wish.precision,
        first=wish.first,
        cv=variation(plan.workload),
        alone=alone.e2e,
        patience=patience(limits, alone.e2e),
    )
    stages: list[Stage] = []
    while True:
        step = decide(goal, _believed(stages))
        if isinstance(step, Found):
            return step, stages
        stage = _stage(replace(plan, seed=_seed(plan, len(stages))), limits, goal, step, live(step))
        stages.append(stage)
        told(stage)
        if why := _end(stages):
            return _so_far(goal, stages, why), stages
        if stage.seen.overloaded:
            calm_down(plan, limits, alone)


def look(plan: RunPlan, limits: list[Slo], requests: int = LOOKS) -> Alone:
    """Raises EngineError when none of them is answered."""
    trial = measure(replace(plan, workload=with_one_caller(plan.workload, requests)), limits)
    answered = [each for each in trial.records if not each.error and each.sent is not None and each.ended is not None]
    if not answered:
        failed = next((each for each in trial.records if each.error), None)
        why = "none was sent" if failed is None else f"{failed.error} {failed.status or ''} {failed.said}".strip()
        raise EngineError(
            f"{plan.target.url}: not one of {requests} requests was answered", hint=f"mend that first: {why}"
        )
    counted = answered[1:] or answered
    whole = [each.ended - each.sent for each in counted if each.ended is not None and each.sent is not None]
    first = [each.first - each.sent for each in counted if each.first is not None and each.sent is not None]
    return Alone(statistics.median(whole), statistics.median(first or whole))


def calm_down(plan: RunPlan, limits: list[Slo], alone: Alone) -> None:
    """Until a single request takes about as long again as it takes alone; not for ever."""
    for _ in range(CALM_TRIES):
        if look(plan, limits, 1).e2e <= CALM * alone.e2e + 0.01:
            return


def _stage(plan: RunPlan, limits: list[Slo], goal: Goal, probe: Probe, live: Watch) -> Stage:
    from headway.bench.slo import hits  # noqa: PLC0415

    workload = at_rate(plan.workload, probe.rate, probe.seconds)
    watch = StageWatch(goal, probe, variation(plan.workload))
    known: list[tuple[float, bool]] = []

    def enough(progress: Progress, records: Sequence[Record]) -> bool:
        fresh = records[len(known) :]
        if fresh:
            known.extend(zip((each.due for each in fresh), map(bool, hits(fresh, limits)), strict=True))
        counted = [hit for due, hit in sorted(known) if due >= probe.warm]
        live(progress, records)
        return watch.enough(progress.now, progress.due - progress.ended, counted)

    trial = measure(replace(plan, workload=workload), limits, watch=enough)
    return Stage(probe.rate, _seen(trial, limits, probe, watch.overloaded), trial, _fault(trial, goal))


def _seen(trial: Trial, limits: list[Slo], probe: Probe, growing: bool) -> Seen:
    from headway.bench.measures import measured  # noqa: PLC0415
    from headway.bench.slo import kept  # noqa: PLC0415

    end = probe.seconds if trial.facts.stopped is None else min(probe.seconds, trial.facts.stopped)
    records = sorted((each for each in trial.records if probe.warm <= each.due < end), key=lambda each: each.due)
    judged = kept(measured(records), limits)
    hits = tuple(bool(hit) for hit, asked in zip(judged.inside, judged.asked, strict=True) if asked)
    rate = len(records) / (end - probe.warm) if end > probe.warm else 0.0
    overloaded = growing or any(each.code in OVERLOADED for each in trial.summary.verdict.reasons)
    return Seen(rate or probe.rate, hits, end, overloaded, _answered(trial.records), probe.close)


def _answered(records: Sequence[Record]) -> float:
    """A second, from the moment that a tenth had ended until eight tenths had: without the filling, and without the
    end."""
    ends = sorted(each.ended for each in records if each.ended is not None and not each.error)
    if len(ends) < 10:
        return 0.0
    early, late = len(ends) // 10, len(ends) * 8 // 10
    return (late - early) / max(ends[late] - ends[early], 1e-9)


def _fault(trial: Trial, goal: Goal) -> str:
    if trial.facts.interrupted:
        return "interrupted"
    for reason in trial.summary.verdict.reasons:
        late = reason.numbers.get(LATE[reason.code], 0.0) if reason.code in LATE else 0.0
        if reason.code in UNSOUND or late > LATE_OF_PATIENCE * goal.patience:
            return reason.text
    return ""


def _believed(stages: Sequence[Stage]) -> list[Seen]:
    return [each.seen for each in stages if not each.fault]


def _end(stages: Sequence[Stage]) -> str:
    """Why it makes no sense to go on, if so."""
    last = stages[-MOST_FAULTY:]
    if last[-1].trial.facts.interrupted:
        return "interrupted"
    if len(last) == MOST_FAULTY and all(each.fault for each in last):
        return f"the generator was at fault: {last[-1].fault}"
    return ""


def _so_far(goal: Goal, stages: Sequence[Stage], why: str) -> Found:
    """What the stages that are believed say."""
    seen = _believed(stages)
    if not seen:
        return Found(0.0, 0.0, float("inf"), len(stages), sum(each.seen.seconds for each in stages), False, False, why)
    spent = decide(replace(goal, seconds=0.0), seen)
    assert isinstance(spent, Found)  # noqa: S101
    return replace(spent, stages=len(stages), precise=False, why=why)


def _seed(plan: RunPlan, stage: int) -> int:
    """Each stage has arrivals of its own."""
    return (plan.workload.seed if plan.seed is None else plan.seed) + stage

"""A throughput-latency curve against a real server: a run at each rate that headway.bench.curve asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from headway.bench.curve import Point, next_rate
from headway.bench.find import calm_down, look
from headway.bench.plan import RunPlan
from headway.bench.schema import Slo
from headway.bench.trial import Trial, Watch, measure
from headway.bench.varied import at_rate

__all__ = ["MOST_POINTS", "point", "sweep"]

MOST_POINTS = 10
FIRST_CALLERS = 0.5
"""The first rate, in callers at the pace of one that is alone: hardly two requests meet."""


def sweep(
    plan: RunPlan,
    limits: list[Slo],
    seconds: float,
    first: float | None,
    *,
    live: Callable[[float], Watch],
    told: Callable[[Point, Trial], None],
) -> list[tuple[Point, Trial]]:
    """`seconds` at each rate, from `first` on (None: from one that no queue is seen at). Ctrl-C ends it with the
    points so far. Raises what a run raises before any load."""
    alone = look(plan, limits)
    found: list[tuple[Point, Trial]] = []
    while (rate := next_rate([each for each, _ in found], first or FIRST_CALLERS / alone.e2e, MOST_POINTS)) is not None:
        workload = at_rate(plan.workload, rate, seconds)
        trial = measure(replace(plan, workload=workload), limits, watch=live(rate))
        if trial.facts.interrupted:
            break
        found.append((point(trial), trial))
        told(*found[-1])
        if not found[-1][0].kept_up:
            calm_down(plan, limits, alone)
    return found


def point(trial: Trial) -> Point:
    summary = trial.summary
    whole, latency = summary.whole, summary.whole.latency
    return Point(
        rate=whole.rate.realised,
        answered=whole.rate.answered,
        output_tokens=whole.tokens.output_rate,
        inside=None if whole.goodput is None else whole.goodput.inside.share,
        ttft_p50=latency.ttft_sched.p50,
        ttft_p99=latency.ttft_sched.p99,
        itl_p50=latency.itl.p50,
        e2e_p50=latency.e2e_sched.p50,
        e2e_p99=latency.e2e_sched.p99,
        overloaded=summary.verdict.word == "OVERLOADED",
        verdict=summary.verdict.word,
    )

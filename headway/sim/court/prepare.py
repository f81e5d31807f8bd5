"""From a Model and a trace to a Case: how many copies, what requests take, what the plan is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from headway.errors import UsageError
from headway.perf.traffic.planned import Planned
from headway.perf.traffic.schedule import traffic
from headway.perf.traffic.trace import Trace
from headway.policy.route import Slo
from headway.policy.scaling.observation import Capacity
from headway.sim.capacity import capacity_of, lengths_of
from headway.sim.court.bounds.ask import Asks
from headway.sim.court.bounds.clairvoyant import clairvoyant, need
from headway.sim.court.copies import Copies
from headway.sim.court.court import ATTAINED, Case, asks_of, bounds_of, factor_of
from headway.sim.court.finding import Bounds
from headway.sim.court.kept import Kept
from headway.sim.fleet import Fleet, Served
from headway.sim.run import simulate
from headway.spec.workload import TraceFile, Workload

__all__ = ["PEAK", "Prepared", "Window", "prepare", "slo_for"]

PEAK = 16
"""Replicas that the clairvoyant plan has at its peak, at the least: with fewer, rounding to whole ones decides."""
_TRIES = 8
_BUSY = 0.8
"""Of the plan's peak, its mean is about so much: the first guess at the copies."""
_LONG, _USUAL = 2.0, 5.0
"""What a caller bears, by the time that an idle replica takes: for a long prompt (all but one in 500), for the usual
one (the median)."""


@dataclass(frozen=True, slots=True)
class Window:
    """Of a trace: seconds from its first request."""

    start: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Prepared:
    case: Case
    bounds: Bounds
    copies: float
    hits: float
    factor: float
    capacity: Capacity


def slo_for(served: Served, requests: list[Planned]) -> Slo:
    """Where nobody says one: to the first token, twice what an idle replica takes for all but one prompt in 500, and no
    less than five times what it takes for the median one; two digits, up. To the others none: short answers beside long
    prompts miss any, whatever the scaler does."""
    prompts = sorted(each.prompt_tokens for each in requests)

    def alone(share: float) -> float:
        tokens = prompts[max(0, math.ceil(share * len(prompts)) - 1)]
        return served.step.seconds(tokens, tokens * tokens / 2, 1, 0, 0.0)

    limit = max(_LONG * alone(0.998), _USUAL * alone(0.5))
    digit = 10.0 ** (math.floor(math.log10(limit)) - 1)
    return Slo(round(math.ceil(limit / digit) * digit, 9))


def prepare(
    served: Served,
    trace: Trace,
    window: Window,
    told: Callable[[str], None],
    *,
    cold_start: float,
    copies: float | None = None,
    peak: int = PEAK,
    seed: int = 0,
) -> Prepared:
    """`copies`: in place of as many as make the plan peak at `peak`. Raises UsageError where no request is."""
    told("one copy")
    requests = _requests(trace, 1.0, window, seed)
    if not requests:
        raise UsageError(f"{trace.name}: no request in this window", hint="give --from and --for another")
    if served.slo.ttft is None:
        served = replace(served, slo=slo_for(served, requests))
    capacity = capacity_of(served.step, served.limits, served.slo, lengths_of(requests))
    served = replace(served, capacity=capacity)
    if not served.places:
        served = replace(served, places=served.limits.most_sequences)  # else the first one ready gets all that waits
    told("one replica, filled")
    factor = factor_of(served, requests, capacity)

    def asked(these: list[Planned], hits: float) -> Asks:
        patience = served.slo.ttft or 1.0
        return asks_of(these, capacity, seconds=window.seconds, patience=patience, hits=hits, factor=factor)

    work = sum(each.work for each in asked(requests, 0.0).requests)
    many, hits = copies or _BUSY * peak * window.seconds / work, 0.0
    for attempt in range(_TRIES):
        requests = _requests(trace, many, window, seed)
        asks = asked(requests, hits)
        plan = clairvoyant(asks, cold_start, attained=ATTAINED)
        if attempt < _TRIES - 1 and copies is None and not peak <= plan.peak <= peak + 1:
            many *= (peak + 0.6) / max(plan.peak, 0.5)
            continue
        if any(len(each.prompt) > 1 for each in requests[:100]) and not hits:
            told(f"what {plan.peak} fixed replicas find cached")
            hits = _hits(served, requests, plan.peak, seed)
            continue
        break
    told("bounds")
    ready = _first(asks, cold_start)
    case = Case(served, Kept(requests, window.seconds), asks, cold_start, ready, plan.peak, seed)
    bounds = bounds_of(case, ATTAINED, ready=ready, lp=True)
    return Prepared(case, bounds, many, hits, factor, capacity)


def _first(asks: Asks, cold_start: float) -> int:
    """Replicas that the first minutes need: a fleet that starts warm has them."""
    rates = need(asks)
    return max(1, math.ceil(max(rates[: max(1, int(cold_start / asks.slot))]) - 1e-9))


def _requests(trace: Trace, copies: float, window: Window, seed: int) -> list[Planned]:
    laid = Copies(trace, copies, start=window.start, seconds=window.seconds, seed=seed)
    workload = Workload(name="court", trace=TraceFile(file=trace.name))
    return list(traffic(workload, laid, seed=seed))


def _hits(served: Served, requests: list[Planned], replicas: int, seed: int) -> float:
    fixed = replace(served, replicas=replicas, scaler=None, warm=True)
    return simulate(Fleet((fixed,), aliases={"": served.name}), Kept(requests), seed=seed).whole.hits

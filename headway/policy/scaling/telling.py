"""A decision in words and numbers, for `explain` and for who reads a log at night."""

from __future__ import annotations

from headway.policy.decision import Reason
from headway.policy.scaling.need import Need
from headway.policy.scaling.observation import Observation

__all__ = ["infeasible", "numbers_of", "told"]


def numbers_of(seen: Observation, found: Need, recent: int) -> dict[str, float | int | str]:
    """What decided. Replicas, replica-seconds, tokens a second of one replica, seconds."""
    return {
        "demand": round(found.demand, 3),
        "needed": round(found.replicas, 3),
        "recent_peak": recent,
        "backlog_seconds": round(found.backlog, 3),
        "left_seconds": round(found.left, 3),
        "waiting": seen.waiting.requests,
        "running": seen.running,
        "prefill": round(seen.capacity.prefill, 1),
        "decode": round(seen.capacity.decode, 1),
        "cold_start": round(seen.cold_start, 1),
    }


def infeasible(seen: Observation) -> str | None:
    """Why no number of replicas keeps the SLO; None = one can."""
    capacity = seen.capacity
    for what, limit, least in (("ttft", seen.ttft, capacity.first), ("itl", seen.itl, capacity.token)):
        if limit is not None and least > limit:
            return (
                f"slo {what} is {limit:g} s and one request alone takes {least:.3g} s on an idle replica: more of them "
                "do not mend that; they are scaled for what comes"
            )
    return None


def told(reason: Reason, seen: Observation, found: Need, target: int, recent: int) -> str:
    """One line."""
    if reason is Reason.IDLE:
        return f"no request for {seen.idle:.0f} s" if seen.present else "no request, no replica"
    if reason is Reason.WOKEN:
        return f"a request came and none runs; a start takes about {seen.cold_start:.0f} s"
    busy = f"what comes keeps {found.demand:.2f} replicas busy"
    more = {
        Reason.BACKLOG: f", and {found.left:.0f} replica-seconds will still wait when help can be there: {target}",
        Reason.RECENT_PEAK: f"; {recent} were needed in the last minutes",
        Reason.SURVIVORS_WOULD_NOT_FIT: "; one fewer would have no room to spare",
        Reason.START_OVERDUE: f"; a start takes longer than the usual {seen.cold_start:.0f} s and is not counted on",
        Reason.ENGINES_FULL: f"; engines use {seen.kv:.0%} of their memory and {seen.pending.requests} wait in them",
        Reason.FORECAST: f", and at this hour {target} were needed before",
        Reason.SCHEDULED_FLOOR: f"; the floor is {seen.floor} at this time",
        Reason.AT_ITS_MOST: f"; {found.replicas:.1f} are needed and replicas ends at {seen.high}",
        Reason.OVER_BUDGET: f"; {found.replicas:.1f} are needed and the budget pays {target}",
    }
    return busy + more.get(reason, f": {target} of {seen.present}" if target != seen.present else f" of {target}")

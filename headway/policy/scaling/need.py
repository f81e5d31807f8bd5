"""How many replicas the tokens that come and the tokens that wait keep busy.

    demand  = tokens a second that come, by phase, over what one replica bears of each   [replicas]
    left    = what waits now + (demand - what is there) over one cold start, without what may wait: half of
              what is there can do within the SLO's time to first token; at the least 0       [replica-seconds]
    need    = (demand + left / cold start) / utilisation

`left` is what will still wait when a replica that is started now is ready: a backlog that those present will have
worked off by then needs no help, since none could come in time; what remains is to be gone within one more cold start.
Look-ahead beyond the cold start is worth nothing (Lu & Chen, "Simple and effective dynamic provisioning", 2011,
arXiv 1112.0442). A replica that is starting counts from its ETA on, so that nobody orders twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headway.policy.scaling.observation import Observation, Starting

__all__ = ["Need", "need"]

RATES = (30.0, 60.0, 300.0)
"""Windows of which the busiest counts. The longest as it is: it averages what nobody can foresee. A shorter one sees
load rise sooner, and counts only for what its noise leaves; so does the longest while nobody has looked for so long."""
_WHOLE = 0.99
"""Of its length: looks are a little apart."""
DOUBT = 2.0
"""Standard deviations that a short window is believed to be too high: of n requests that come by chance with sizes as
unlike as an exponential's, the sum varies by sqrt(2 / n) of itself (compound Poisson, variance n E[w^2])."""
LEAST_WINDOW = 10.0
"""Seconds that a window counts as at the least: one request in its first moment is no rate."""
LEAST_HORIZON = 10.0
"""Seconds in which a backlog is to be gone where starts take less: replicas do not come and go with single requests."""


@dataclass(frozen=True, slots=True)
class Need:
    """In replicas, before rounding up. `demand`: kept busy by what comes, as in the docstring above; `backlog`:
    replica-seconds that wait now; `left`: when help could be there; `replicas`: that should be there."""

    demand: float
    backlog: float
    left: float
    replicas: float


def need(seen: Observation, starting: Sequence[Starting], utilisation: float) -> Need:
    """`starting`: those of the observation that are believed to come."""
    capacity = seen.capacity
    demand = max(_rate(seen, seconds) for seconds in RATES)
    backlog = capacity.seconds(seen.waiting.prompt + seen.pending.prompt, seen.waiting.output + seen.pending.output)
    horizon = max(seen.cold_start, LEAST_HORIZON)
    supply = seen.ready * horizon + sum(max(0.0, horizon - each.eta) for each in starting)
    may_wait = seen.ready * (seen.ttft or 0.0) / 2
    left = max(0.0, backlog + demand * horizon - supply - may_wait)
    return Need(demand, backlog, left, (demand + left / horizon) / utilisation)


def _rate(seen: Observation, seconds: float) -> float:
    window = seen.over(seconds)
    rate = seen.capacity.seconds(window.prompt, window.output) / max(window.seconds, LEAST_WINDOW)
    if seconds == max(RATES) and window.seconds >= _WHOLE * seconds:
        return rate
    return rate * max(0.0, 1.0 - DOUBT * math.sqrt(2.0 / max(window.requests, 1.0)))

"""How many processes a load needs.

What a request, a token of its prompt and an event of its stream cost a worker was measured with benchmarks/sender.py
(on a core of a small cloud machine, rounded up). A worker is given half a core's worth, so that its event loop is free
when a chunk comes.
"""

from __future__ import annotations

import math
import os
from itertools import islice
from typing import Final

from headway.perf.traffic.planned import Planned, Traffic

__all__ = ["workers_for"]

REQUEST_SECONDS: Final = 100e-6
PROMPT_TOKEN_SECONDS: Final = 45e-9
EVENT_SECONDS: Final = 12e-6
FILL: Final = 0.5
CALLER_RATE: Final = 5.0
"""Requests a second that one caller of a closed loop is taken to make: nobody knows before it has."""
_LOOKED_AT: Final = 2000


def workers_for(traffic: Traffic) -> int:
    """At least one, at most as many as leave a core to the rest of the machine."""
    most = (
        max(1, len(os.sched_getaffinity(0)) - 1)
        if hasattr(os, "sched_getaffinity")
        else max(1, (os.cpu_count() or 2) - 1)
    )
    first = list(islice(traffic.of(0), _LOOKED_AT))
    if not first:
        return 1
    events = sum(one.output_tokens for one in first if one.stream) / len(first)
    tokens = sum(one.prompt_tokens for one in first) / len(first)
    busy = _rate(traffic, first) * (REQUEST_SECONDS + tokens * PROMPT_TOKEN_SECONDS + events * EVENT_SECONDS)
    callers = max((stage.concurrency or most for stage in traffic.stages), default=most)
    return min(most, callers, max(1, math.ceil(busy / FILL)))


def _rate(traffic: Traffic, first: list[Planned]) -> float:
    """Requests a second, of the busiest stage."""
    rates = [stage.rate for stage in traffic.stages if stage.rate is not None]
    callers = [stage.concurrency * CALLER_RATE for stage in traffic.stages if stage.concurrency is not None]
    if rates or callers:
        return max(rates + callers)
    return len(first) / max(1.0, first[-1].at - first[0].at)

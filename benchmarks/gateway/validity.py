"""Which runs count. Pure.

A run is at fault when an answer was wrong, when the proxy was not what limited a workload meant to saturate it, when an
open loop was not kept up with, or when somebody else used the cores. A saturating run in which the backend and the
generator had no core time left is not repeated, since repeating does not help: its requests/s are a lower bound.
"""

from __future__ import annotations

from benchmarks.gateway.observation import DIRECT, Observation
from benchmarks.gateway.workloads import Workload

__all__ = ["fault", "hopeless", "load_bound", "spoiled", "wrong"]

SHARE_LEAST = 0.8
"""Of its core, in a saturating workload: with less the proxy waited for something."""
LOAD_FULL = 0.9
"""Of the other core, from which on the load side is what the proxy waited for."""
STRANGERS_MOST = 0.1
"""Of either core, used by processes that are no part of the run."""
LATE_MOST = 0.01
"""Of an open loop's requests; the percentiles are of those answered, so they would flatter."""
OPEN_LEAST = 0.99
"""Of the streams whose memory is read; one in a hundred may be between two streams."""


def load_bound(seen: Observation, workload: Workload) -> bool:
    return workload.saturates and seen.proxy != DIRECT and seen.share < SHARE_LEAST and seen.load_share >= LOAD_FULL


def wrong(seen: Observation, workload: Workload) -> str:
    """What a proxy did wrong, whatever the machine did."""
    if seen.errors:
        return f"{seen.errors} errors, the first: {seen.error}"
    if workload.memory:
        enough = seen.streams_open >= OPEN_LEAST * workload.connections
        return "" if enough else f"only {seen.streams_open} of {workload.connections} streams were open"
    if not seen.requests and not seen.events:
        return "nothing was answered in time"
    due = workload.rate * seen.seconds
    return f"{seen.late} of {due:.0f} requests not answered in time" if seen.late > LATE_MOST * due else ""


def spoiled(seen: Observation, workload: Workload) -> str:
    """What the machine did to the run."""
    if seen.strangers > STRANGERS_MOST:
        return f"others used {seen.strangers:.0%} of a core"
    starved = workload.saturates and seen.proxy != DIRECT and seen.share < SHARE_LEAST
    return f"the proxy had {seen.share:.0%} of its core" if starved and not load_bound(seen, workload) else ""


def fault(seen: Observation, workload: Workload) -> str:
    """Why the run does not count, or an empty string."""
    return wrong(seen, workload) or spoiled(seen, workload)


def hopeless(seen: Observation) -> bool:
    """Whether repeating is in vain: wrong answers stay wrong."""
    return bool(seen.errors)

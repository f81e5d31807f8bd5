"""The work bound: nobody serves requests with fewer replica-seconds than they take. Always valid, and weak: it knows
neither when they come nor what a start costs. Requests that miss the SLO are served too, only late."""

from __future__ import annotations

from headway.sim.court.bounds.ask import Asks

__all__ = ["work_bound"]


def work_bound(asks: Asks) -> float:
    """Replica-seconds."""
    return sum(asks.released())

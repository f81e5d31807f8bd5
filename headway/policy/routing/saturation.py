"""Whether a model has no room left for who can be turned away. Pure.

A sheddable request is worth serving with what others leave: it is refused at once rather than put in front of them.
An endpoint is full when it runs as many requests as it may, when its engine is short of KV blocks, or when a prompt
would wait there longer than `patience`.
"""

from __future__ import annotations

from collections.abc import Iterable

from headway.policy.routing.candidate import Candidate
from headway.policy.routing.elsewhere import FRESH_SECONDS
from headway.policy.routing.predicted import KV_FULL

__all__ = ["PATIENCE", "saturated"]

PATIENCE = 5.0
"""Seconds until a prompt's own turn, where the request does not say what it can bear. Longer than an interactive user
waits for a first word; who is not interactive can as well come again."""


def saturated(candidates: Iterable[Candidate], capacity: int, patience: float, now: float) -> bool:
    """All of them are full. `capacity`: requests that one may run at once; 0 = any."""
    return all(_is_full(each, capacity, patience, now) for each in candidates)


def _is_full(candidate: Candidate, capacity: int, patience: float, now: float) -> bool:
    most = min(filter(None, (capacity, candidate.seats)), default=0)
    if 0 < most <= candidate.running:
        return True
    speed, elsewhere = candidate.speed, candidate.elsewhere
    fresh = max(0.0, 1.0 - (now - elsewhere.at) / FRESH_SECONDS)
    if fresh and elsewhere.kv_used >= KV_FULL:
        return True
    ahead = candidate.ahead(now) + fresh * elsewhere.waiting * elsewhere.prompt
    return speed.first + speed.prefill * ahead > patience

"""What a scaler may ask for: within the user's bounds, as many as cron asks for, no more than the budget pays."""

from __future__ import annotations

import math

from headway.policy.decision import Reason
from headway.policy.scaling.observation import Observation

__all__ = ["affordable", "least", "within"]

_ROUNDING = 1e-9
"""A budget of 0.3 pays three replicas at 0.1."""


def least(seen: Observation) -> int:
    return min(max(seen.low, seen.floor), seen.high)


def affordable(seen: Observation) -> int | None:
    """Replicas that the budget pays besides those that drain, which cost until they are gone; but none of those that
    are there has to leave because of one that leaves anyway. None = no bound."""
    if seen.budget is None or not seen.price:
        return None
    paid = math.floor(seen.budget / seen.price + _ROUNDING)
    return max(paid - seen.draining, min(seen.present, paid))


def within(seen: Observation, wanted: int) -> tuple[int, Reason | None]:
    """The nearest number that is allowed, and what stood in the way of more. The budget wins over the lower bound."""
    most, why = seen.high, Reason.AT_ITS_MOST
    paid = affordable(seen)
    if paid is not None and paid < most:
        most, why = paid, Reason.OVER_BUDGET
    target = min(max(wanted, least(seen)), most)
    return target, why if max(wanted, least(seen)) > most else None

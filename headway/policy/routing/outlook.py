"""What a request is predicted to see at a candidate, and which candidates are dearer than need be."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headway.policy.price import Price, cost
from headway.policy.route.rule import Slo
from headway.policy.routing.candidate import Candidate
from headway.policy.routing.shapes import Ask
from headway.policy.routing.terms import terms

__all__ = ["Outlook", "dearer", "outlook"]


class Outlook(msgspec.Struct, frozen=True):
    """Seconds, as means: the policy's own terms."""

    ttft: float
    itl: float

    def meets(self, slo: Slo) -> bool:
        return (slo.ttft is None or self.ttft <= slo.ttft) and (slo.itl is None or self.itl <= slo.itl)


def outlook(ask: Ask, candidate: Candidate, matched: float, now: float) -> Outlook:
    found, speed = terms(ask, candidate, matched, now), candidate.speed
    context = candidate.context_tokens + ask.tokens + ask.output
    itl = speed.step + speed.sequence * (found.running + 1) + speed.context * context
    return Outlook(found.wait + found.prefill + found.kv + found.seat + found.adapter, itl)


def dearer(
    ask: Ask,
    candidates: Sequence[Candidate],
    prices: Sequence[Price | None],
    slo: Slo,
    *,
    now: float,
    among: Sequence[int],
) -> frozenset[str]:
    """The ids of those `among` the candidates that a cheaper one spares: it is there, and predicted to meet the SLO. A
    price that is not known counts as the highest."""
    costs = [
        float("inf") if price is None else float(cost(price, int(ask.tokens), int(ask.output))) for price in prices
    ]
    for least in sorted({costs[index] for index in among}):
        cheap = [index for index in among if costs[index] == least]
        if any(
            candidates[index].cooling_until <= now
            and outlook(ask, candidates[index], ask.matched[index], now).meets(slo)
            for index in cheap
        ):
            return frozenset(candidates[index].id for index in among if costs[index] > least)
    return frozenset()

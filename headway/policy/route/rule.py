"""A Route as policies and the RoutingTable have it: one public name over several Models."""

from __future__ import annotations

from typing import Literal

import msgspec

from headway.policy.caching import CacheRules

__all__ = ["ANY", "Condition", "Fallback", "Match", "RouteRule", "ShadowRule", "Slo", "Target"]

Condition = Literal["error", "saturated", "deadline"]
"""Why a Model is left for the next one. error: its engines fail or say 5xx, or none of them answers now; saturated: all
its places are taken, or it says 429; deadline: nothing of the answer came in time."""

ANY: tuple[Condition, ...] = ("error", "saturated", "deadline")


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds; None = any."""

    ttft: float | None = None
    itl: float | None = None


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    weight: float = 1.0


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Requests with this header go to this Model. `header` is lower case."""

    header: str
    equals: str
    model: str


class Fallback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`budget`: what this Route may spend there; None = no limit. Micros are millionths of money."""

    model: str
    on: tuple[Condition, ...] = ANY
    day_tokens: int | None = None
    day_micros: int | None = None
    month_tokens: int | None = None
    month_micros: int | None = None

    @property
    def limited(self) -> bool:
        limits = (self.day_tokens, self.day_micros, self.month_tokens, self.month_micros)
        return any(each is not None for each in limits)


class ShadowRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A `share` (0 to 1) of the requests is copied to a Model and the answer thrown away; `most` at once and `rate` a
    minute on the whole host."""

    model: str
    share: float
    most: int = 1
    rate: int = 60


class RouteRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    to: tuple[Target, ...]
    match: tuple[Match, ...] = ()
    fallback: tuple[Fallback, ...] = ()
    within: float | None = None  # seconds a Model has to begin its answer; None = half of what the request has left
    cheapest: bool = False  # of `to` the cheapest that is predicted to meet `slo`, instead of by weight
    slo: Slo = Slo()
    shadow: ShadowRule | None = None
    cache: CacheRules | None = None  # of what is asked under its name, in place of its Models' own
    created: int = 0  # Unix seconds, for /v1/models

    @property
    def models(self) -> tuple[str, ...]:
        """All that may answer; the shadow does not."""
        named = [*(each.model for each in self.to), *(each.model for each in self.match)]
        return tuple(dict.fromkeys([*named, *(each.model for each in self.fallback)]))

    def account(self, fallback: Fallback) -> str:
        """Under which the ledger keeps what is spent there; no Tenant can have such a name."""
        return f"{self.name}/{fallback.model}"

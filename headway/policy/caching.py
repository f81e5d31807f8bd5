"""Which answers of a Model, or of a Route that says so itself, the gateway keeps, and for how long: as the RoutingTable
has it."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["CacheRule", "CacheRules"]


class CacheRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cache of answers, kept by each host's hub: at most so many bytes, none older than `ttl` seconds."""

    size: int = 256_000_000
    ttl: float = 3600.0
    wait: float = 10.0  # seconds that equal requests wait for the first one's answer
    which: Literal["deterministic", "all"] = "deterministic"
    shared: bool = False  # among the tenants whose own `answers` are


class CacheRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which answers are kept; None = none of these."""

    responses: CacheRule | None = None
    embeddings: CacheRule | None = None

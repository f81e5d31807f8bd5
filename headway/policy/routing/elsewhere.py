"""Load at an endpoint that this host did not send: other gateways' requests, as the engine's own Signals show them.

What we sent we know exactly and at once; Signals are a second old or more, and never agree with our counts to the
request. So only what they show beyond our own count is used, smoothed, and with a weight that falls to nothing as
they age: an engine that cannot be scraped is routed to by what we know (it fails open).
"""

from __future__ import annotations

from typing import Final

__all__ = ["FRESH_SECONDS", "Elsewhere"]

FRESH_SECONDS: Final = 10.0
"""Ten scrapes at the gateway's usual second: one or two lost ones change little."""
_SMOOTH: Final = 0.3  # what a new reading weighs: requests on the wire make single ones jump
_AGREE: Final = 1.0  # requests by which both counts differ without meaning anything


class Elsewhere:
    """`requests` not ours, of which `waiting` wait; `kv_used` is the share of the KV cache in use, all requests
    counted; `prompt` is how many tokens a request of ours has to compute, the best guess at what theirs have."""

    __slots__ = ("at", "kv_used", "prompt", "requests", "waiting")

    def __init__(self) -> None:
        self.requests = self.waiting = self.kv_used = self.prompt = 0.0
        self.at = float("-inf")

    def heard(self, running: int, waiting: int, kv_used: float | None, *, ours: int, prompt: float, now: float) -> None:
        """Signals read at `now`, when `ours` requests of this host were there."""
        told = running + waiting
        beyond = max(0.0, told - ours - _AGREE)
        fresh = _SMOOTH if now - self.at < FRESH_SECONDS else 1.0
        self.requests += fresh * (beyond - self.requests)
        self.waiting = self.requests * waiting / told if told else 0.0
        self.kv_used = kv_used or 0.0
        self.prompt, self.at = prompt, now

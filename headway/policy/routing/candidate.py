"""An endpoint as routing sees it: plain attributes, kept up to date by who sends requests there.

A class and not a Protocol, because these are read some hundred times a request: compiled, an attribute of a known
class is one load.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headway.policy.routing.elsewhere import Elsewhere
from headway.policy.speed import Speed

__all__ = ["STUCK", "Candidate", "coming"]

_LAST: Final = 16.0
_SOONEST: Final = 1e-3
"""How often an endpoint is asked is learned from about so many requests, whatever their pace; each counts as this much
later than the one before at the least, so that a burst makes no rate without bound."""

STUCK: Final = 0.5
"""Share of what is pending that does not wear off before a first token comes: an engine that takes longer waits for
something, and is not idle."""

_ADAPTER_SECONDS: Final = 0.5
"""To load an adapter of some 100 MB from a local disk; engines do not say."""


class Candidate:
    """Counted at the pick, over all workers of the host. Times are seconds on the clock of `choose`'s `now`."""

    def __init__(self, name: str, slot: int, speed: Speed, since: float) -> None:
        self.id = name
        self.slot = slot  # its number in the prefix index
        self.speed = speed
        self.since = since  # when it became an endpoint
        self.running: int = 0  # requests sent there and not ended
        self.pending_tokens: int = 0  # prompt tokens to be computed there of requests whose first token has not come
        self.prefilling_since: float = 0.0  # from when on it computes the earliest of these, as far as is known
        self.context_tokens: int = 0  # of prompt, and of answer as far as expected, of the others that run there
        self.seats: int = 0  # requests it computes at once (llama.cpp's slots); more of them wait; 0 = any
        self.kv_tokens: int = 0  # that its KV cache holds; 0 = unknown
        self.adapters: frozenset[str] | None = None  # loaded there, as it said; None = it does not say
        self.adapter_load: float = _ADAPTER_SECONDS  # to load one
        self.elsewhere = Elsewhere()
        self.cooling_until: float = 0.0  # it failed: passed over until then while others exist; 0 = it did not
        self.every: float = 1.0  # mean time between two requests sent there
        self.asked_at: float = since  # when the last one was
        self.weight: float = 1.0  # share of its Revision in the Model's traffic (a rollout moves it)

    def came(self, count: int, now: float) -> None:
        """So many requests were sent there since the last ones."""
        each = (now - self.asked_at) / count
        self.every += ((each if each > _SOONEST else _SOONEST) - self.every) * min(1.0, count / _LAST)
        self.asked_at = now

    def ahead(self, now: float, adapter: str = "") -> float:
        """Tokens that it still has to compute before a prompt that comes now. That is less than what is pending: the
        one that is being computed is known to be whole only when its first token comes. With adapters it is all, since
        nobody sees which of them wait for one."""
        if adapter or self.pending_tokens <= 0:
            return float(self.pending_tokens)
        left = self.pending_tokens - (now - self.prefilling_since) / self.speed.prefill
        return max(STUCK * self.pending_tokens, left)


def coming(candidates: Sequence[Candidate], now: float) -> float:
    """Requests a second that one of them gets, on the mean. Who was not asked for long is asked no more often."""
    rate = 0.0
    for candidate in candidates:
        quiet, every = now - candidate.asked_at, candidate.every
        rate += 1.0 / (quiet if quiet > every else every)
    return rate / len(candidates)

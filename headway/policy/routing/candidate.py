"""An endpoint as routing sees it: plain attributes, kept up to date by who sends requests there.

A class and not a Protocol, because these are read some hundred times a request: compiled, an attribute of a known
class is one load.
"""

from __future__ import annotations

from headway.policy.routing.elsewhere import Elsewhere
from headway.policy.speed import Speed

__all__ = ["Candidate"]

_ADAPTER_SECONDS = 0.5
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
        self.prefilling_since: float = 0.0  # from when on it computes the earliest of them, as far as is known
        self.context_tokens: int = 0  # of prompt, and of answer as far as expected, of the others that run there
        self.seats: int = 0  # requests it computes at once (llama.cpp's slots); more of them wait; 0 = any
        self.kv_tokens: int = 0  # that its KV cache holds; 0 = unknown
        self.adapters: frozenset[str] | None = None  # loaded there, as it said; None = it does not say
        self.adapter_load: float = _ADAPTER_SECONDS  # to load one
        self.elsewhere = Elsewhere()
        self.cooling_until: float = 0.0  # it failed: passed over until then while others exist; 0 = it did not
        self.weight: float = 1.0  # share of its Revision in the Model's traffic (a rollout moves it)

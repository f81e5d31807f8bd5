"""A Candidate whose load is counted here: what a request adds while it is there, and what its engine computed.

The gateway's endpoints are Hosts that share their counts with the other workers; a simulator's are Hosts and no more.
"""

from __future__ import annotations

from typing import Final

from headway.policy.routing.candidate import Candidate
from headway.policy.speed import Speed

__all__ = ["Host"]

_ADAPTER_FRESH: Final = 2.0
"""Seconds until an engine has certainly told of an adapter that it was sent for."""


class Host(Candidate):
    def __init__(self, name: str, slot: int, speed: Speed, since: float) -> None:
        super().__init__(name, slot, speed, since)
        self.total = 0  # requests that were ever sent there
        self.prefilled = 0  # prompt tokens that it has computed
        self._sent_adapters: dict[str, float] = {}

    def time(self) -> float:
        """On the clock of `choose`'s `now`."""
        raise NotImplementedError

    def add(self, running: int, pending: int, context: int) -> None:
        """A change of the load that is put on it."""
        if pending < 0 or (pending and self.pending_tokens <= 0):
            self.prefilling_since = self.time()
        self.running += running
        self.pending_tokens += pending
        self.context_tokens += context

    def wants_adapter(self, name: str, now: float) -> None:
        """A request for it was sent there: it will be loaded, before the engine says so."""
        self._sent_adapters[name] = now
        if self.adapters is not None and name not in self.adapters:
            self.adapters |= {name}

    def has_adapters(self, loaded: frozenset[str], now: float) -> None:
        """The engine says which adapters it has."""
        since = now - _ADAPTER_FRESH
        self._sent_adapters = {name: at for name, at in self._sent_adapters.items() if at > since}
        self.adapters = loaded.union(self._sent_adapters)

    def left_by_one(self) -> None:
        """A request is there no more."""

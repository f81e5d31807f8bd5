"""The mock engine's LoRA slots: so many adapters lie ready at once; another one needs a slot that no running
request uses, the one not used for longest first, and then the time of its load. Pure.
"""

from __future__ import annotations

from collections import Counter, OrderedDict

__all__ = ["LoraSlots"]


class LoraSlots:
    def __init__(self, slots: int, load_seconds: float) -> None:
        self.slots = slots
        self._load = load_seconds
        self._ready_at: OrderedDict[str, float] = OrderedDict()  # least recently used first
        self._users: Counter[str] = Counter()

    @property
    def resident(self) -> tuple[str, ...]:
        return tuple(self._ready_at)

    @property
    def running(self) -> tuple[str, ...]:
        """Adapters of running requests."""
        return tuple(sorted(name for name, users in self._users.items() if users))

    def ready(self, adapter: str, now: float) -> bool:
        """Whether a request for it may run; if not, its load begins as soon as there is a slot."""
        if not adapter:
            return True
        at = self._ready_at.get(adapter)
        if at is None:
            if len(self._ready_at) >= self.slots and not self._evict(now):
                return False
            at = self._ready_at[adapter] = now + self._load
        return at <= now

    def enter(self, adapter: str) -> None:
        """A request for it runs."""
        if adapter:
            self._users[adapter] += 1
            self._ready_at.move_to_end(adapter)

    def leave(self, adapter: str) -> None:
        if adapter:
            self._users[adapter] -= 1

    def next_ready(self, now: float) -> float | None:
        """When the next load is done; None when nothing loads."""
        return min((at for at in self._ready_at.values() if at > now), default=None)

    def drop(self, adapter: str) -> None:
        """It is not served any more."""
        if not self._users[adapter]:
            self._ready_at.pop(adapter, None)

    def _evict(self, now: float) -> bool:
        for name, at in self._ready_at.items():
            if at <= now and not self._users[name]:
                del self._ready_at[name]
                return True
        return False

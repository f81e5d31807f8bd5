"""The LoRA slots of one replica: so many adapters lie ready; another one takes the slot of one that no request needs,
the least recently used first, and the time of its load. Pure."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Adapters"]


class Adapters:
    """`slots` 0: as many as there are. A request counts from its offer to its end."""

    def __init__(self, slots: int, load_seconds: float) -> None:
        self._slots, self._load = slots, load_seconds
        self._ready_at: OrderedDict[str, float] = OrderedDict()
        self._needed: dict[str, int] = {}
        self.loads = 0

    @property
    def loaded(self) -> tuple[str, ...]:
        return tuple(self._ready_at)

    def wanted(self, adapter: str, now: float) -> float | None:
        """When a request for it may run, which then needs it; None: all slots are taken by what others need."""
        at = self._ready_at.get(adapter)
        if at is None:
            if self._slots and len(self._ready_at) >= self._slots and not self._evict():
                return None
            at = self._ready_at[adapter] = now + self._load
            self.loads += 1
        else:
            self._ready_at.move_to_end(adapter)
        self._needed[adapter] = self._needed.get(adapter, 0) + 1
        return at

    def left(self, adapter: str) -> bool:
        """A request that needed it is over; True: nobody needs it now."""
        self._needed[adapter] -= 1
        if self._needed[adapter]:
            return False
        del self._needed[adapter]
        return True

    def _evict(self) -> bool:
        for name in self._ready_at:
            if name not in self._needed:
                del self._ready_at[name]
                return True
        return False

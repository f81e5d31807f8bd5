"""Which prompts went where, told to the other workers of this host, some at a time."""

from __future__ import annotations

import array
import asyncio
from typing import TYPE_CHECKING

from headway.gateway.frames import Sent
from headway.policy.prefix import PrefixIndex

if TYPE_CHECKING:
    from headway.gateway.hubline import HubLine

__all__ = ["News"]


class News:
    """`shared` = there are other workers."""

    def __init__(self, hub: HubLine, loop: asyncio.AbstractEventLoop, seconds: float, *, shared: bool) -> None:
        self._hub, self._loop, self._seconds, self._shared = hub, loop, seconds, shared
        self._by_slot: dict[int, array.array[int]] = {}

    def went(self, hashes: list[int], slot: int) -> None:
        if not self._shared or not hashes:
            return
        if not self._by_slot:
            self._loop.call_later(self._seconds, self._tell)
        self._by_slot.setdefault(slot, array.array("Q")).extend(hashes)

    def came(self, news: Sent, index: PrefixIndex) -> None:
        index.absorb(array.array("Q", news.hashes), news.slot)

    def _tell(self) -> None:
        for slot, hashes in self._by_slot.items():
            self._hub.say(Sent(slot, hashes.tobytes()))
        self._by_slot.clear()

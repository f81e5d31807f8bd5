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
        self._by_slot: dict[int, list[bytes]] = {}

    def went(self, hashes: list[int], slot: int) -> None:
        if not self._shared or not hashes:
            return
        if not self._by_slot:
            self._loop.call_later(self._seconds, self._tell)
        self._by_slot.setdefault(slot, []).append(array.array("Q", hashes).tobytes())

    def came(self, news: Sent, index: PrefixIndex) -> None:
        for hashes in news.chains:
            index.insert(array.array("Q", hashes), news.slot)

    def _tell(self) -> None:
        for slot, chains in self._by_slot.items():
            self._hub.say(Sent(slot, chains))
        self._by_slot.clear()

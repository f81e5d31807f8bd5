"""How late the event loop is: what each request waits for besides everything else. One look a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.gateway.counts import Histogram

__all__ = ["Lag"]

EVERY_SECONDS = 1.0


class Lag:
    def __init__(self, loop: asyncio.AbstractEventLoop, seen: Histogram) -> None:
        self._loop, self._seen = loop, seen
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self) -> None:
        self._due = self._loop.time() + EVERY_SECONDS
        self._timer = self._loop.call_at(self._due, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._seen.observe(max(0.0, self._loop.time() - self._due))
        self.start()

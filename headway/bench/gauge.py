"""What a process of the generator costs, and how late its event loop is: whether its own figures can be believed."""

from __future__ import annotations

import asyncio
from time import monotonic, process_time
from typing import Final, Literal

from headway.bench.facts import Generator

__all__ = ["Gauge"]

_EVERY: Final = 0.01
_MOST: Final = 200_000
"""Samples that are kept, half an hour's; then every second one goes, and half as many are taken."""


class Gauge:
    """Looks every 10 ms once it is started. A timer that comes while the loop is busy is as late as a chunk would be
    that came then. (libuv's timers know whole milliseconds: up to one of them is not the loop's.)"""

    def __init__(self, role: Literal["sender", "collector"]) -> None:
        self._role: Literal["sender", "collector"] = role
        self._loop = asyncio.get_running_loop()
        self._delays: list[float] = []
        self._every, self._share = (_EVERY if role == "sender" else 0.25), 0.0
        self._due = self._second = self._cpu = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._before = process_time() if role == "collector" else 0.0  # it did other things before

    def start(self) -> None:
        self._second, self._cpu = monotonic(), process_time()
        self._set(self._second)

    def stop(self) -> Generator:
        if self._timer is not None:
            self._timer.cancel()
        delays = self._delays if self._role == "sender" else []
        return Generator(process_time() - self._before, round(self._share, 4), delays, self._role)

    def _set(self, now: float) -> None:
        self._due = now + self._every
        self._timer = self._loop.call_later(self._every, self._look)

    def _look(self) -> None:
        now = monotonic()
        self._delays.append(round(max(0.0, now - self._due), 6))
        if now - self._second >= 1.0:
            self._turn(now)
        self._set(now)

    def _turn(self, now: float) -> None:
        """A second is over."""
        cpu = process_time()
        self._share = max(self._share, (cpu - self._cpu) / (now - self._second))
        self._second, self._cpu = now, cpu
        if len(self._delays) > _MOST:
            del self._delays[::2]
            self._every *= 2

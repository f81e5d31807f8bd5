"""What a mock engine's callers can be held against (`--arrivals FILE`): when each request came and was answered.

A line of JSON for each POST under /v1/, written when it has ended, however it did. Times are seconds by the monotonic
clock, which on Linux all processes of a machine share: `came` is when its first byte was read, `first` and `last` when
its first and last token were written, `ended` when the answer was done or the caller gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from headway.engines.mock_http import Exchange

__all__ = ["Arrival", "Arrivals"]


class Arrival(msgspec.Struct):
    """`number` counts the requests of all engines of the process in the order they came; `tokens` were written;
    `status` 0 = nothing was answered; `id` is the caller's own, from x-request-id."""

    number: int
    engine: int
    path: str
    came: float
    first: float | None
    last: float | None
    ended: float
    tokens: int
    status: int
    id: str


class Arrivals:
    def __init__(self, path: Path | None, say: Callable[[str], None]) -> None:
        """Raises OSError when there can be no such file. None = nothing is written."""
        self._file = path.open("wb", buffering=0) if path else None
        self._say = say
        self._count = 0

    def follow(self, exchange: Exchange, engine: int) -> None:
        if self._file is not None:
            exchange.ended = partial(self._write, exchange, self._count, engine)
            self._count += 1

    def _write(self, exchange: Exchange, number: int, engine: int) -> None:
        if self._file is None:
            return
        line = Arrival(
            number=number,
            engine=engine,
            path=exchange.path,
            came=exchange.came,
            first=exchange.first,
            last=exchange.last,
            ended=time.monotonic(),
            tokens=exchange.tokens,
            status=exchange.status,
            id=exchange.headers.get(b"x-request-id", ""),
        )
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            self._say(f"error: {self._file.name}: {error.strerror}; no more arrivals are written")
            self._file = None

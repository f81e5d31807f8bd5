"""What the requests of one process share: the connections, the clock, the counts, and who gets the Records."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import msgspec

from headway.bench.exchange import Exchange, Then
from headway.bench.pool import Pool
from headway.bench.record import Record
from headway.perf.traffic.planned import Planned

__all__ = ["Desk"]


class Desk:
    """What the requests of one process share. `start` is second 0, of the monotonic clock; from it on all times count
    that are handed about here. `tell` gets each Record."""

    def __init__(
        self, pool: Pool, start: float, timeout: float, tell: Callable[[Record], None], keep_text: int = 0
    ) -> None:
        self.pool, self.start, self.timeout, self._tell = pool, start, timeout, tell
        self._texts = keep_text
        self.flying: dict[Exchange, None] = {}  # in the order in which they began
        self.due = self.sent = self.ended = self.failed = 0
        self.last_sent = 0.0

    def clock(self) -> float:
        """Seconds since the start."""
        return monotonic() - self.start

    def exchange(
        self, planned: Planned, due: float, data: bytes, then: Then | None = None, keeps: bool = False
    ) -> Exchange:
        """A request that is made ready. The text of the first few is kept."""
        asked = ""
        if self._texts > 0 and planned.operation != "embedding":
            self._texts -= 1
            asked, keeps = _text_of(data), True
        return Exchange(planned, due, data, self, then=then, keeps=keeps, asked=asked)

    def over(self, record: Record) -> None:
        self.ended += 1
        self.failed += record.error not in ("", "cancelled", "interrupted")
        self._tell(record)

    def look(self, now: float) -> None:
        """End what has taken too long."""
        while self.flying:
            oldest = next(iter(self.flying))
            if now - oldest.begun < self.timeout:
                return
            oldest.end("timeout", f"no whole answer within {self.timeout:g} s", now)

    def end_all(self, error: str, said: str) -> None:
        now = self.clock()
        for exchange in list(self.flying):
            exchange.end(error, said, now)


class _Message(msgspec.Struct):
    content: str = ""


class _Question(msgspec.Struct):
    messages: list[_Message] = []
    prompt: str = ""


def _text_of(request: bytes) -> str:
    """What a request says, without its template."""
    body = msgspec.json.decode(request.partition(b"\r\n\r\n")[2], type=_Question)
    return body.prompt + "".join(message.content for message in body.messages)

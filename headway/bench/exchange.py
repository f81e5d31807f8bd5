"""One request from when it is due to its Record: sent once, its answer read, and every way that it can end.

Nothing is asked again: a 429, a 503, a broken connection is what the server did, and is recorded. The one exception is
a kept connection that the server had closed while it lay idle: a request that meets this is sent on a fresh one at once
(RFC 9112 section 9.3.1), its clock running on from when it was due and first sent, and its Record says `resent`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from itertools import pairwise
from time import time
from typing import TYPE_CHECKING, Final

from headway.bench.answer import Answer, Refused, Streamed, Vectors, Whole
from headway.bench.connection import Connection
from headway.bench.framing import Head
from headway.bench.record import Record
from headway.perf.traffic.planned import Planned

if TYPE_CHECKING:
    from headway.bench.desk import Desk

__all__ = ["Exchange", "Then"]

_STALE: Final = 0.25
"""Seconds within which a kept connection that was already closed shows it; later the server has had the request."""
_LINGER: Final = 1.0
"""Seconds that a connection may take to end an answer that has said [DONE]."""

Then = Callable[["Exchange", str, float], None]


class Exchange:
    """`due` and `begun` are in the desk's seconds. `then` is called once when it is over, with the answer's text if it
    `keeps` that ("" when there is none) and the moment. `asked`: the question's text, if the Record is to have both."""

    __slots__ = (
        "_answer",
        "_asked",
        "_connection",
        "_data",
        "_desk",
        "_ended",
        "_first_byte",
        "_head",
        "_keeps",
        "_leaves_after",
        "_over",
        "_resent",
        "_sent",
        "_then",
        "begun",
        "due",
        "planned",
    )

    def __init__(
        self,
        planned: Planned,
        due: float,
        data: bytes,
        desk: Desk,
        *,
        then: Then | None,
        keeps: bool,
        asked: str,
    ) -> None:
        self.planned, self.due, self.begun = planned, due, 0.0
        self._data, self._desk, self._then = data, desk, then
        self._keeps, self._asked, self._leaves_after = keeps, asked, planned.cancel_after
        self._connection: Connection | None = None
        self._head: Head | None = None
        self._answer: Answer | None = None
        self._sent: float | None = None
        self._first_byte: float | None = None
        self._ended: float | None = None  # said that it is done; the connection is not through with it
        self._over = self._resent = False

    @property
    def heard(self) -> bool:
        """The server said something to it, be it a refusal."""
        return self._head is not None

    def begin(self) -> None:
        """It is due: send it now."""
        desk = self._desk
        self.begun = desk.clock()
        desk.due += 1
        desk.flying[self] = None
        connection = desk.pool.take()
        if connection is not None:
            self.connected(connection)
        elif not desk.pool.wait(self):
            self.end("unsent", f"all {desk.pool.sockets} sockets that this process may have are in use", self.begun)

    # the pool's callbacks

    def connected(self, connection: Connection) -> None:
        self._connection = connection
        if self._sent is None:  # before it is handed over: behind it the server may have answered already
            self._sent = self._desk.last_sent = self._desk.clock()
            self._desk.sent += 1
        connection.send(self._data, self)

    def not_connected(self, code: str, said: str) -> None:
        self.end(code, said, self._desk.clock())

    # the connection's callbacks

    def began(self, now: float) -> None:
        self._first_byte = now - self._desk.start
        self._data = b""  # it cannot be asked for again

    def answered(self, head: Head) -> None:
        self._head = head
        if not 200 <= head.status < 300:
            self._answer = Refused()
        elif self.planned.operation == "embedding":
            self._answer = Vectors()
        elif head.streams:
            self._answer = Streamed(self._keeps)
        else:
            self._answer = Whole()

    def body(self, data: bytes, now: float) -> None:
        answer, connection = self._answer, self._connection
        if self._over or answer is None or connection is None:
            return
        now -= self._desk.start
        answer.push(data, now)
        if type(answer) is Streamed:  # most events of most streams end nothing
            if answer.ended:
                self._stream_ended(answer, connection, now)
            elif self._leaves_after is not None and answer.received >= self._leaves_after:
                self.end("cancelled", "", now)

    def _stream_ended(self, answer: Streamed, connection: Connection, now: float) -> None:
        if answer.trouble:
            self.end("stream", answer.trouble, now)
        elif self._ended is None:
            self._ended = now
            if not connection.whole:
                asyncio.get_running_loop().call_later(_LINGER, self._linger)

    def complete(self, now: float) -> None:
        answer = self._answer
        if self._over or answer is None or self._head is None:
            return
        now -= self._desk.start
        answer.close(now)
        self._connection = None  # it has gone back to the pool
        code = ("stream" if 200 <= self._head.status < 300 else "http") if answer.trouble else ""
        self.end(code, answer.trouble, now)

    def broken(self, code: str, said: str, now: float) -> None:
        connection, self._connection = self._connection, None
        now -= self._desk.start
        if self._over:
            return
        if self._ended is not None:  # it had said that it is done
            self.end("", "", now)
        elif connection is not None and self._is_stale(connection, code, now):
            self._resent = True
            self.begin_again()
        else:
            self.end(code, said, now)

    def begin_again(self) -> None:
        if not self._desk.pool.wait(self):
            self.end(
                "closed", "the server had closed the connection, and there is no room for another", self._desk.clock()
            )

    def _is_stale(self, connection: Connection, code: str, now: float) -> bool:
        quick = self._sent is not None and now - self._sent < _STALE
        return (
            code in ("closed", "reset")
            and connection.kept
            and not connection.heard
            and quick
            and not self._resent
            and self._first_byte is None
        )

    def _linger(self) -> None:
        """The answer is there, and the connection has not ended it."""
        if not self._over:
            self.end("", "", self._desk.clock())

    # its end

    def end(self, error: str, said: str, now: float) -> None:
        """What came, came; a connection that is still at work is dropped."""
        if self._over:
            return
        self._over = True
        desk = self._desk
        desk.flying.pop(self, None)
        if self._connection is not None:
            self._connection.drop()
        else:
            desk.pool.forget(self)
        desk.over(self._record(error, said, now))
        if self._then is not None:
            self._then(self, self._answer.text if self._answer is not None else "", now)

    def _record(self, error: str, said: str, now: float) -> Record:
        planned = self.planned
        record = Record(
            number=planned.number,
            stage=planned.stage,
            operation=planned.operation,
            model=planned.model,
            due=self.due,
            started=self.begun,
            error=error,
            said=said or ("resent" if self._resent else ""),
            tenant=planned.tenant,
            adapter=planned.adapter,
            session=planned.session,
            turn=planned.turn,
            stream=planned.stream,
            planned_prompt=planned.prompt_tokens,
            wanted_tokens=planned.output_tokens,
            sent=self._sent,
            first_byte=self._first_byte,
            ended=now if self._ended is None else self._ended,
        )
        if self._head is not None:
            self._note_head(record, self._head)
        if self._answer is not None:
            _note_answer(record, self._answer)
            if self._asked:
                record.prompt_text, record.text = self._asked, self._answer.text
        return record

    def _note_head(self, record: Record, head: Head) -> None:
        record.status, record.request_id = head.status, head.request_id
        record.replica = head.replica
        if head.retry_after:
            record.retry_after = _seconds(head.retry_after)


def _note_answer(record: Record, answer: Answer) -> None:
    record.finish = answer.finish
    usage = answer.usage
    if usage is not None:
        record.prompt_tokens, record.output_tokens = usage.prompt_tokens, usage.completion_tokens
        record.cached_tokens = usage.cached_tokens
    if isinstance(answer, Streamed) and answer.times:
        times, tokens = answer.times, answer.tokens
        record.first, record.last = times[0], times[-1]
        record.gaps = [int((after - before) * 1e6 + 0.5) for before, after in pairwise(times)]
        record.sizes, record.sized_by = (answer.sizes, "bytes") if tokens is None else (tokens, "tokens")


def _seconds(retry_after: str) -> float | None:
    """Seconds, or a date (RFC 9110 section 10.2.3); None for what is neither."""
    try:
        seconds = float(retry_after)
    except ValueError:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 (rare, and as slow to import as all of this)

        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None

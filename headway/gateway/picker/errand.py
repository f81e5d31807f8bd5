"""What a Pick takes for its caller: it hears whether the request goes on or is answered here, once, and wakes the Pick
when something is due."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.gateway import answers
from headway.gateway.picker.hints import DROPPED
from headway.gateway.picker.pick import Pick, Picked
from headway.gateway.request import Request
from headway.gateway.timers import Timed
from headway.wire.openai import Refusal

if TYPE_CHECKING:
    from headway.gateway.core import Gateway
    from headway.gateway.exchange import Exchange

__all__ = ["Answer", "Errand"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Given here: the request goes nowhere. `code` is empty when nothing is wrong."""

    status: int
    headers: tuple[tuple[str, bytes], ...]
    body: bytes
    code: str = ""


class Errand(Timed):
    """Satisfies pick.Sending. Whoever may speak to the picker is trusted to have let the caller in."""

    near = True

    def __init__(self, gateway: Gateway, request: Request) -> None:
        super().__init__()
        self._verdict: asyncio.Future[Picked | Answer] = gateway.loop.create_future()
        self.pick: Pick | None = None
        self._gateway, self._request = gateway, request
        self._begun: tuple[int, bytes] = (200, b"")
        self._parts: list[bytes] = []

    def on_due(self, now: float) -> None:
        if self.pick is not None:
            self.pick.on_due(now)

    def close(self) -> None:
        """The data plane is through with it, or gone."""
        if self.pick is not None:
            self.pick.left()
            self.pick = None
        self._gateway.wheel.cancel(self)

    async def decided(self) -> Picked | Answer:
        """Once; a body is not kept for longer."""
        verdict = await self._verdict
        self._verdict = self._gateway.loop.create_future()
        self._verdict.cancel()
        return verdict

    # what the Pick tells

    def picked(self, picked: Picked) -> None:
        self._say(picked)

    def refuse(self, refusal: Refusal) -> None:
        status, lines, body = answers.refusal(refusal, self._request)
        headers = _lines(lines + answers.common_headers(self._request, self._gateway.unix_time()))
        if refusal.status in (429, 503):
            headers = (*headers, (DROPPED, refusal.code.encode()))
        self._say(Answer(status, headers, body, refusal.code))

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        self._say(Answer(status, _lines(headers), body))

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        self._begun = (status, headers)

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def end(self) -> None:
        """The protocol has no answer in pieces."""
        self.respond(*self._begun, b"".join(self._parts))

    def abort(self) -> None:
        """Only an answer that was begun could be cut off."""

    def wake_at(self, due: float) -> None:
        self._gateway.wheel.set(self, due)

    def hand_over(self, running: Exchange) -> None:
        raise AssertionError("a Pick goes on by itself")

    def _say(self, verdict: Picked | Answer) -> None:
        if not self._verdict.done():
            self._verdict.set_result(verdict)


def _lines(block: bytes) -> tuple[tuple[str, bytes], ...]:
    found = []
    for line in block.splitlines():
        name, _, value = line.partition(b": ")
        if name not in (b"date", b"connection", b"vary") and not name.startswith(b"access-control"):
            found.append((name.decode(), value))
    return tuple(found)

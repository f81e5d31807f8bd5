"""What a router itself adds to a first token, in seconds of the wall, on idle engines.

Engines run `time_scale` times as fast as the wall and routers do not, so their own time would count that many times
over: a router that holds back each first token by 40 ms would be charged 160 ms at a time scale of 4. The difference
measured here is taken off: the engines' seconds of a wait are

    time_scale * wait - (time_scale - 1) * overhead

so that each router's own time counts once. It is measured with a prompt of the workload's mean length that all
engines have cached, so that it takes them one step wherever it goes.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence

import uvloop

from benchmarks.routing import answer
from benchmarks.routing.passage import passage
from benchmarks.routing.processes import BenchError
from benchmarks.routing.wire import CHAT, Wire, address, chat_body, encoded

__all__ = ["engine_seconds", "overhead"]

PAIRS = 9
DEADLINE = 30.0
KEY = 0x0FF


def engine_seconds(wait: float, time_scale: float, own: float) -> float:
    """Of a wait of the wall, when the router's own part is `own`. Never less than the wait itself."""
    return max(wait, time_scale * wait - (time_scale - 1) * own)


def overhead(router: str, engines: Sequence[str], model: str, tokens: int) -> float:
    """Median over pairs, direct and through the router in turn; not below 0."""
    return uvloop.run(_overhead(router, engines, chat_body([encoded("user", passage(KEY, tokens))], model, 2)))


async def _overhead(router: str, engines: Sequence[str], body: bytes) -> float:
    wires = [Wire(*address(url)) for url in (*engines, router)]
    direct, through = wires[0], wires[-1]
    try:
        async with asyncio.timeout(DEADLINE):
            await asyncio.gather(*(_first_token(wire, body) for wire in wires[:-1]))
            await _first_token(through, body)
            pairs = [await _first_token(through, body) - await _first_token(direct, body) for _ in range(PAIRS)]
    except TimeoutError:
        raise BenchError(f"{router}: no answer within {DEADLINE:g} s on idle engines") from None
    finally:
        for wire in wires:
            wire.close()
    return max(0.0, statistics.median(pairs))


async def _first_token(wire: Wire, body: bytes) -> float:
    call = _Timed()
    wire.ask(wire.request("POST", CHAT, body), call)
    return await call.told


class _Timed:
    def __init__(self) -> None:
        self._asked = time.monotonic()  # the loop's own clock has whole milliseconds
        self._piece = self._token = 0.0
        self.told: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def body(self, data: bytes) -> None:
        took = time.monotonic() - self._asked
        self._piece = self._piece or took
        if not self._token and answer.has_token(data):
            self._token = took

    def ended(self, status: int) -> None:
        if self.told.done():
            return
        if status == 200 and self._piece:
            self.told.set_result(self._token or self._piece)  # a real model may end before it says anything
        else:
            self.told.set_exception(BenchError(f"status {status} on an idle engine"))

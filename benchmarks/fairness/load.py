"""Two tenants ask one gateway: one at a steady rate, one as much as it can. All times are the wall's."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from benchmarks.routing.wire import CHAT, Wire, address, chat_body, encoded

__all__ = ["OUTPUT_WEIGHT", "Asks", "Seen", "play"]

INPUT_WEIGHT, OUTPUT_WEIGHT = 1.0, 2.0
"""A token read and a token written, as the fair line charges them (policy/vtc.py)."""


@dataclass(frozen=True, slots=True)
class Asks:
    """What one tenant asks for: `rate` requests a second, at random times; or with `callers`, each of whom asks again
    as soon as it was answered."""

    key: str
    prompt: int  # tokens
    answer: int  # tokens, in the mean: unlike ones, for answers of one length would begin and end in step
    rate: float = 0.0
    callers: int = 0


@dataclass(slots=True)
class Seen:
    """Of one tenant, counted from the warm-up on."""

    ttft: list[float] = field(default_factory=list)
    tokens: int = 0
    failed: int = 0
    service: list[tuple[float, float]] = field(default_factory=list)
    """Weighted tokens as they came: (time, amount)."""


def play(url: str, asks: list[Asks], warm: float, seconds: float, seed: int) -> list[Seen]:
    return uvloop.run(_play(url, asks, warm, seconds, seed))


async def _play(url: str, asks: list[Asks], warm: float, seconds: float, seed: int) -> list[Seen]:
    begin = time.monotonic() + warm
    stages = [_Tenant(url, each, begin, begin + seconds, seed + n) for n, each in enumerate(asks)]
    try:
        await asyncio.gather(*(each.run() for each in stages))
    finally:
        for each in stages:
            each.wire.close()
    return [each.seen for each in stages]


class _Tenant:
    def __init__(self, url: str, asks: Asks, begin: float, end: float, seed: int) -> None:
        self.asks, self.begin, self.end = asks, begin, end
        self.seen, self.wire = Seen(), Wire(*address(url))
        self._host, self._random = "{}:{}".format(*address(url)), random.Random(seed)
        self._open: set[_Request] = set()
        self._idle = asyncio.Event()

    async def run(self) -> None:
        for _ in range(self.asks.callers):
            self.ask(self.ask_again)
        due = time.monotonic()
        while self.asks.rate and due < self.end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.ask(lambda: None)
            due += self._random.expovariate(self.asks.rate)
        async with asyncio.timeout(self.end - time.monotonic() + 30.0):
            while self._open:
                self._idle.clear()
                await self._idle.wait()

    def ask_again(self) -> None:
        if time.monotonic() < self.end:
            self.ask(self.ask_again)

    def ask(self, then: Callable[[], None]) -> None:
        said = encoded("user", f"{self._random.getrandbits(64):016x} ".ljust(4 * self.asks.prompt, "w"))
        length = round(self.asks.answer * self._random.uniform(0.4, 1.6))
        body = chat_body([said], "chat", length)
        head = f"POST {CHAT} HTTP/1.1\r\nhost: {self._host}\r\nauthorization: Bearer {self.asks.key}\r\n"
        request = _Request(self, then)
        self._open.add(request)
        self.wire.ask(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body, request)

    def done(self, request: _Request) -> None:
        self._open.discard(request)
        self._idle.set()


class _Request:
    def __init__(self, tenant: _Tenant, then: Callable[[], None]) -> None:
        self._tenant, self._then, self._asked = tenant, then, time.monotonic()
        self._begun = False

    def body(self, data: bytes) -> None:
        now, tenant = time.monotonic(), self._tenant
        tokens = data.count(b'"content":"') - data.count(b'"content":""')
        amount = OUTPUT_WEIGHT * tokens
        if not self._begun and tokens:
            self._begun = True
            amount += INPUT_WEIGHT * tenant.asks.prompt
            if tenant.begin <= self._asked < tenant.end:
                tenant.seen.ttft.append(now - self._asked)
        if tenant.begin <= now < tenant.end:
            tenant.seen.tokens += tokens
            tenant.seen.service.append((now, amount))

    def ended(self, status: int) -> None:
        self._tenant.seen.failed += status != 200
        self._tenant.done(self)
        self._then()

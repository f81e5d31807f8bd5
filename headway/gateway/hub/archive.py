"""The hub's part in remembering: what workers tell of ended requests goes into the request log, some at a time.

Another thread writes, so that neither a slow disk nor a full one holds up the hub, and workers never touch it at all.
What cannot be written is dropped and counted. The salt of sessions and blocks lives in this hub alone, and as long.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import msgspec

from headway.errors import HeadwayError
from headway.gateway.frames import Keep, Told
from headway.gateway.record import Record
from headway.gateway.table import Endpoint, ModelRoute, TokenPrice
from headway.policy.price import cost
from headway.store.request_log import RequestLimits, RequestLog, RequestRow

__all__ = ["Archive"]

log = logging.getLogger("headway.gateway")

WRITE_SECONDS = 0.5
MOST_HELD = 20_000
"""Requests that wait to be written: as many as come in a second or two when all are kept."""
_Answer = TypeVar("_Answer")


class Archive:
    """`path` None = nothing is kept. `keep`: what workers shall tell of."""

    def __init__(self, path: Path | None, keep: Keep, limits: RequestLimits | None = None) -> None:
        self.keep = keep
        self._path, self._limits = path, limits or RequestLimits()
        self.written = self.dropped = 0
        self._held: deque[Told] = deque()
        self._thread = ThreadPoolExecutor(1, "requests")
        self._log: RequestLog | None = None  # of that thread
        self._salt = secrets.token_bytes(32)
        self._epoch = blake2b(self._salt, digest_size=4, person=b"epoch").digest()
        self._endpoints: dict[str, Endpoint] = {}
        self._prices: dict[str, TokenPrice | None] = {}
        self._said = ""

    def use(self, models: Iterable[ModelRoute]) -> None:
        """A new table: what its endpoints are and its tokens cost."""
        models = tuple(models)
        self._endpoints = {each.id: each for model in models for each in model.endpoints}
        self._prices = {model.name: model.price for model in models}

    def price(self, record: Record) -> None:
        """What it cost: as its tenant was charged, else by the price now of where it was answered."""
        there = self._endpoints.get(record.attempts[-1].endpoint) if record.attempts else None
        price = (there.price if there else None) or self._prices.get(record.model)
        if price is None or record.completion_tokens is None:
            return
        tokens = record.prompt_tokens or 0, record.completion_tokens, record.cached_tokens or 0
        charged = record.charge.micros if record.charge is not None else 0
        record.micros = charged or cost(price, *tokens)

    def heard(self, told: Sequence[Told], dropped: int) -> None:
        """What a worker tells."""
        self.dropped += dropped
        room = max(0, MOST_HELD - len(self._held)) if self._path else 0
        if self._path:
            self.dropped += max(0, len(told) - room)
        self._held += told[:room]

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """What is held, now."""
        if not self._held or self._path is None:
            return
        told, self._held = list(self._held), deque()
        rows = [each for each in told if each.kept]
        try:
            await self._ask(lambda kept: kept.add([self._row(each) for each in rows], time.time()))
        except HeadwayError as error:
            self.dropped += len(rows)
            if str(error) != self._said:
                log.warning("requests are not logged: %s", error)
            self._said = str(error)
        else:
            self.written += len(rows)
            self._said = ""

    async def find(self, request_id: str) -> Record | None:
        for told in reversed(self._held):
            if told.record.id == request_id:
                return told.record
        if self._path is None:
            return None
        try:
            found = await self._ask(lambda kept: kept.find(request_id))
        except HeadwayError:
            return None
        return msgspec.json.decode(found, type=Record) if found else None

    async def close(self) -> None:
        """Write what is left."""
        await self.write()
        if self._log is not None:
            await self._ask(RequestLog.close)
        self._thread.shutdown(wait=False)

    async def _ask(self, what: Callable[[RequestLog], _Answer]) -> _Answer:
        def do() -> _Answer:
            if self._log is None:
                if self._path is None:
                    raise AssertionError("nothing is asked of a log that is not kept")
                self._log = RequestLog(self._path, self._limits)
            return what(self._log)

        return await asyncio.get_running_loop().run_in_executor(self._thread, do)

    def _row(self, told: Told) -> RequestRow:
        record = told.record
        last = record.attempts[-1] if record.attempts else None
        endpoint = self._endpoints.get(last.endpoint) if last and not last.failure else None
        return RequestRow(
            id=record.id,
            at=record.at,
            kept=told.kept,
            fraction=told.fraction,
            sampled=told.sampled,
            model=record.model,
            tenant=record.tenant,
            operation=told.operation,
            revision=endpoint.revision if endpoint else "",
            status=record.status,
            ttft=record.ttft,
            duration=record.duration,
            prompt_tokens=record.prompt_tokens,
            cached_tokens=record.cached_tokens,
            completion_tokens=record.completion_tokens,
            max_tokens=told.max_tokens,
            prompt_bytes=told.prompt_bytes,
            session=self._salted(told.session.to_bytes(8, "big")) if told.session else b"",
            blocks=b"".join(self._salted(told.blocks[at : at + 8]) for at in range(0, len(told.blocks), 8)),
            epoch=self._epoch,
            record=msgspec.json.encode(record),
        )

    def _salted(self, number: bytes) -> bytes:
        return blake2b(number, digest_size=8, key=self._salt).digest()

"""Reads the Signals of every engine behind the gateway, once for all workers.

An engine without /metrics is asked less and less often. Nothing ever waits for this: a worker that has heard nothing
routes by what it sent itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from headway.engines.signals import Signals, read_signals
from headway.errors import UnreachableError
from headway.gateway.frames import Load
from headway.gateway.table import Endpoint
from headway.wire.probe import get

__all__ = ["Ear"]

EVERY_SECONDS = 1.0
AT_ONCE = 16
"""Engines asked at a time: more engines than AT_ONCE / ANSWER_SECONDS a second are asked less often, not harder."""
ANSWER_SECONDS = 1.0
LONGEST_PAUSE = 60.0


SILENT = Signals()


@dataclass(slots=True)
class _Engine:
    host: str
    port: int
    slot: int
    next_at: float = 0.0
    pause: float = EVERY_SECONDS
    said: Signals = SILENT


class Ear:
    def __init__(self, tell: Callable[[dict[int, Load | None]], None]) -> None:
        self._tell = tell
        self._engines: dict[str, _Engine] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)

    def use(self, endpoints: Iterable[Endpoint], slots: Mapping[str, int]) -> None:
        """The engines of a new table. Providers, which have a key or TLS, are not asked."""
        engines: dict[str, _Engine] = {}
        for endpoint in endpoints:
            url = urlsplit(endpoint.url)
            if endpoint.key or url.scheme != "http" or not url.hostname or endpoint.id not in slots:
                continue
            fresh = _Engine(url.hostname, url.port or 80, slots[endpoint.id])
            known = self._engines.get(endpoint.id)
            same = known is not None and (known.host, known.port) == (fresh.host, fresh.port)
            engines[endpoint.id] = known if same and known is not None else fresh
        self._engines = engines

    def said(self) -> dict[str, Signals]:
        """By endpoint: what each said last; nothing of those that say nothing."""
        return {each: engine.said for each, engine in self._engines.items() if engine.said != SILENT}

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            due = [engine for engine in self._engines.values() if engine.next_at <= began]
            found = await asyncio.gather(*(self._read(engine) for engine in due))
            if found:
                self._tell(dict(zip((engine.slot for engine in due), found, strict=True)))
            await asyncio.sleep(max(EVERY_SECONDS / 10, began + EVERY_SECONDS - loop.time()))

    async def _read(self, engine: _Engine) -> Load | None:
        async with self._gate:
            try:
                answer = await get(engine.host, engine.port, "/metrics", timeout=ANSWER_SECONDS)
                signals = read_signals(answer.text) if answer.status == 200 else SILENT
            except UnreachableError:
                signals = SILENT
        engine.said, silent = signals, signals == SILENT
        engine.pause = min(LONGEST_PAUSE, 2 * engine.pause) if silent else EVERY_SECONDS
        engine.next_at = asyncio.get_running_loop().time() + engine.pause - EVERY_SECONDS / 2
        if silent:
            return None
        return Load(signals.running or 0, signals.waiting or 0, signals.kv_used, signals.kv_tokens, signals.adapters)

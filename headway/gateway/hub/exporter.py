"""Sends the spans of traced requests to a collector: in batches, from a thread, and never at anybody's cost.

Spans are dicts that msgspec writes as OTLP/JSON, which every collector reads on its HTTP port. opentelemetry-sdk would
do the same for 14 MiB of memory and 11 us a span (measured), in workers that have 100 us for a whole request; and its
sampling and batching would not be of use, for spans come out of Records after the fact.

The queue is bounded. A collector that is slow, full or gone is tried again a few times; then the spans are dropped and
counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from headway import __version__
from headway.gateway.hub.otlp import Collector, Sent, post
from headway.gateway.hub.spans import batch, count, spans
from headway.gateway.record import Record
from headway.gateway.table import Endpoint, ModelRoute

__all__ = ["Exporter"]

log = logging.getLogger("headway.gateway")

EVERY_SECONDS = 1.0
MOST_HELD = 4096
"""Requests whose spans wait to be sent."""
BATCH = 256
"""Requests in one message: some hundred kilobytes."""
TRIES = 4
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
CLOSE_SECONDS = 3.0
_AGAIN = (0, 408, 429, 502, 503, 504)  # 0 = no answer; the others as OTLP says


class Exporter:
    def __init__(self, to: Collector) -> None:
        self.counts = {"exported": 0, "dropped": 0, "refused": 0}
        self._to = to
        self._held: deque[Record] = deque()
        self._endpoints: dict[str, Endpoint] = {}
        self._thread = ThreadPoolExecutor(1, "otlp")
        self._said = ""

    def use(self, models: Iterable[ModelRoute]) -> None:
        """A new table; endpoints that left it are remembered while their last requests end."""
        fresh = {each.id: each for model in models for each in model.endpoints}
        self._endpoints = fresh if len(self._endpoints) > MOST_HELD else self._endpoints | fresh

    def heard(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.trace is None:
                continue
            if len(self._held) < MOST_HELD:
                self._held.append(record)
            else:
                self.counts["dropped"] += count(record)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            while self._held:
                await self._send(self._take(), TRIES)

    async def close(self) -> None:
        """Send what is left, once."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._held:
                    await self._send(self._take(), 1)
        except TimeoutError:
            self.counts["dropped"] += sum(map(count, self._held))
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> list[Record]:
        return [self._held.popleft() for _ in range(min(BATCH, len(self._held)))]

    async def _send(self, records: list[Record], tries: int) -> None:
        total, pause, sent = sum(map(count, records)), FIRST_PAUSE, Sent(0, b"")
        for attempt in range(tries):
            sent = await asyncio.get_running_loop().run_in_executor(self._thread, self._post, records)
            if sent.status not in _AGAIN:
                break
            self._say(sent)
            if attempt + 1 < tries:
                await asyncio.sleep(min(LONGEST_PAUSE, sent.retry_after or pause))
                pause = 2 * pause
        self._account(sent, total)

    def _post(self, records: list[Record]) -> Sent:
        made = [span for record in records for span in spans(record, self._endpoints)]
        return post(self._to, msgspec.json.encode(batch(made, self._to.resource, __version__)))

    def _account(self, sent: Sent, total: int) -> None:
        if sent.status in _AGAIN:
            self.counts["dropped"] += total
        elif sent.status >= 300:
            self.counts["refused"] += total
            self._say(sent)
        else:
            rejected = min(total, _rejected(sent.body))
            self.counts["exported"] += total - rejected
            self.counts["refused"] += rejected
            self._said = ""

    def _say(self, sent: Sent) -> None:
        """Once, until it works again."""
        why = sent.body[:200].decode(errors="replace")
        said = f"status {sent.status}: {why}" if sent.status else why
        if said != self._said:
            log.warning("traces cannot be sent to %s: %s", self._to.url, said)
        self._said = said


class _PartialSuccess(msgspec.Struct, rename="camel"):
    rejected_spans: int | str = 0


class _Answer(msgspec.Struct, rename="camel"):
    partial_success: _PartialSuccess | None = None


def _rejected(body: bytes) -> int:
    """Of those that were taken, as a whole."""
    try:
        answer = msgspec.json.decode(body, type=_Answer) if body.startswith(b"{") else _Answer()
        return int(answer.partial_success.rejected_spans) if answer.partial_success else 0
    except (msgspec.MsgspecError, ValueError):
        return 0

"""Beside each gateway in a cluster: look at what is known, and publish it when it differs. The gateway is never asked
anything on the path of a request, and asks nobody.

The API server may be away at any time. Until it was read once the gateway is not ready, unless an earlier life of this
container left its table; from then on it serves with what is known.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from pathlib import Path
from typing import Protocol

from headway.control.cluster.table import Parts
from headway.control.gateway_process import GatewayProcess
from headway.control.waiting import first_of
from headway.errors import HeadwayError

__all__ = ["Source", "Watcher"]

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks at whether the gateway lives."""
REBUILT = 30.0
"""Seconds after which the table is made anew though nothing changed, so that nothing missed is missed for long. It
takes 0.1 s for 200 Models with 3 Replicas each."""
GATHER = 0.05
"""Seconds in which changes are gathered: a rollout changes many slices at once, and each table is written whole."""
FIRST_RETRY, LONGEST_RETRY = 0.2, 10.0


class Source(Protocol):
    """What a gateway in a cluster follows. `silent`: seconds since it was last heard, once it was opened."""

    @property
    def silent(self) -> float: ...

    @property
    def unsettled(self) -> bool:
        """Whether what `parts` said last may be otherwise now, though nothing changed here."""

    async def open(self) -> None:
        """Read all of it once and follow it. May be called again when it failed. Raises HeadwayError."""

    async def parts(self, now: float) -> Parts:
        """`now`: Unix seconds."""

    async def close(self) -> None: ...


class Watcher:
    """`changed`: set by the source. `heard`: a file whose time of change says when the source was last heard, for the
    gateway's metrics."""

    def __init__(self, source: Source, gateway: GatewayProcess, heard: Path, changed: asyncio.Event) -> None:
        self._source, self._gateway, self._heard = source, gateway, heard
        self._changed, self._is_open = changed, False
        self._made = float("-inf")  # when the table was made last

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._gateway.open(first=False)
        opening = asyncio.create_task(self._open())
        try:
            while True:
                try:
                    await self.step()
                except Exception:
                    # A full disk, a fault of ours: the gateway goes on with what it has.
                    log.exception("a pass failed; the next one tries again")
                await first_of(self._changed.wait(), asyncio.sleep(TICK))
                if self._changed.is_set():
                    await asyncio.sleep(GATHER)
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            await self._source.close()

    async def step(self) -> None:
        await self._gateway.keep()
        if not self._is_open:
            self._changed.clear()  # a part of the whole is no reason to hurry
            return
        now = time.time()
        if self._changed.is_set() or self._source.unsettled or not 0 <= now - self._made < REBUILT:
            self._changed.clear()
            self._made = float("-inf")  # what fails here is tried again at the next look
            found = await self._source.parts(now)
            self._gateway.publish(found.models, found.tenants, found.keys, found.routes)
            self._made = now
        self._heard.touch()
        at = now - self._source.silent
        os.utime(self._heard, (at, at))

    async def _open(self) -> None:
        pause = FIRST_RETRY
        while True:
            try:
                await self._source.open()
                break
            except HeadwayError as error:
                log.warning("the cluster cannot be read yet: %s; again in %.1f s", error, pause)
            except Exception:
                log.exception("the cluster cannot be read yet; again in %.1f s", pause)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads many gateways
            pause = min(pause * 2, LONGEST_RETRY)
        self._is_open = True
        log.info("the cluster is read, and followed from now on")
        self._changed.set()

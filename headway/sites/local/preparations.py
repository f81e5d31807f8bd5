"""Bringing weights and programs onto this machine: once per Revision, however many Replicas wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any

from headway.engines.base import Engine, Prepared, Progress
from headway.errors import Cancelled
from headway.spec.revision import Revision

__all__ = ["Preparations"]

Watcher = Callable[[Progress], None]


class Preparations:
    """What is prepared stays known until `forget`: a restart must not read gigabytes again to find them unchanged."""

    def __init__(self) -> None:
        self._by_revision: dict[str, _Preparation] = {}
        self._running: set[_Preparation] = set()

    def is_done(self, revision: Revision) -> bool:
        one = self._by_revision.get(revision.id)
        return one is not None and one.result.done()

    async def prepare(self, engine: Engine, revision: Revision, watcher: Watcher) -> Prepared:
        """Join the work on this Revision, or begin it. Raises what `engine.prepare` raises.

        The work is cancelled when the last of those who wait for it has gone.
        """
        one = self._by_revision.get(revision.id) or self._begin(engine, revision)
        one.watchers.append(watcher)
        try:
            if one.progress:
                watcher(one.progress)
            await asyncio.wait([one.result])  # not `await one.result`: cancelling one waiter must not end the work
            return one.result.result()
        finally:
            one.watchers.remove(watcher)
            if not one.watchers and not one.result.done():
                del self._by_revision[revision.id]
                one.cancel()

    def forget(self, revision: Revision) -> None:
        """What was prepared did not start: look at it again before the next start."""
        if self.is_done(revision):
            del self._by_revision[revision.id]

    async def close(self, timeout: float) -> None:
        """Cancel what is under way and give it `timeout` seconds to tidy up."""
        for one in self._running:
            one.cancel()
        if self._running:
            await asyncio.wait([one.result for one in self._running], timeout=timeout)

    def _begin(self, engine: Engine, revision: Revision) -> _Preparation:
        one = self._by_revision[revision.id] = _Preparation(engine, revision)
        self._running.add(one)
        one.result.add_done_callback(lambda _: self._ended(revision, one))
        return one

    def _ended(self, revision: Revision, one: _Preparation) -> None:
        self._running.discard(one)
        if one.result.exception() and self._by_revision.get(revision.id) is one:
            del self._by_revision[revision.id]


class _Preparation:
    """One call of `engine.prepare` in a thread of its own. A daemon thread: work that does not heed its cancelling
    must not keep the process from ending."""

    def __init__(self, engine: Engine, revision: Revision) -> None:
        self._engine, self._revision = engine, revision
        self._loop = asyncio.get_running_loop()
        self._cancelled = threading.Event()
        self.result: asyncio.Future[Prepared] = self._loop.create_future()
        self.progress: Progress | None = None
        self.watchers: list[Watcher] = []
        name = f"prepare {revision.model} {revision.id}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def cancel(self) -> None:
        self._cancelled.set()

    def _work(self) -> None:
        try:
            prepared = self._engine.prepare(self._revision, self._report)
        except Exception as error:  # whatever it is, it is whoever waits who must hear it
            self._on_loop(self.result.set_exception, error)
        else:
            self._on_loop(self.result.set_result, prepared)

    def _report(self, progress: Progress) -> None:
        if self._cancelled.is_set():
            raise Cancelled(f"{self._revision.model}: preparation cancelled")
        self._on_loop(self._show, progress)

    def _show(self, progress: Progress) -> None:
        self.progress = progress
        for watcher in self.watchers:
            watcher(progress)

    def _on_loop(self, call: Callable[[Any], object], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            self._loop.call_soon_threadsafe(call, value)

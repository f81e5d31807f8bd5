"""Ctrl-C and SIGTERM, while a run goes on: the run is told of them, and nothing is torn down by them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from types import TracebackType
from typing import Final

from headway.errors import Cancelled

__all__ = ["Interruption"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """`count`: how often somebody asked. Until `begun`, the first time cancels the task, which raises Cancelled.

    Outside of the main thread signals cannot be had: whoever runs us gets them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.begun = False
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._taken: list[signal.Signals] = []

    def __enter__(self) -> Interruption:
        for number in _SIGNALS:
            with contextlib.suppress(RuntimeError, ValueError):
                self._loop.add_signal_handler(number, self._ask)
                self._taken.append(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self._taken:
            self._loop.remove_signal_handler(number)
        if isinstance(error, asyncio.CancelledError) and self.count and not self.begun:
            if self._task is not None:
                self._task.uncancel()
            raise Cancelled("stopped before the run began") from None

    def _ask(self) -> None:
        self.count += 1
        if not self.begun and self._task is not None:
            self._task.cancel()

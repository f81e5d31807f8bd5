"""A mock engine's heart: its scheduler run in time, with one timer for all requests.

The engine's clock runs `time_scale` times as fast as ours. A step begins when the one before was due to end, not
when the event loop came to it: steps shorter than the loop's timers (1 ms) and a late loop change when tokens are
seen, not how fast the engine is. Only when the loop comes more than LATE behind is the lost time given up (and
counted in `late_seconds`: figures taken then are worth little). Idle, there is no timer.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from headway.engines.mock_metrics import Counts
from headway.engines.mock_sequence import Scheduler, Sequence

__all__ = ["Core"]

LATE = 0.05
"""Seconds of ours."""

TIMER = 0.001
"""Seconds: what the loop's timers round to. Rounded up, a wait never ends before its time, so nothing spins."""


class Core:
    def __init__(
        self, scheduler: Scheduler, counts: Counts, time_scale: float, before_token: Callable[[], None]
    ) -> None:
        self.scheduler = scheduler
        self.counts = counts
        self.late_seconds = 0.0
        self._scale = time_scale
        self._before_token = before_token
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()
        self._due: float | None = None  # engine time of the next step; None when idle
        self._timer: asyncio.Handle | None = None

    def now(self) -> float:
        """The engine's clock."""
        return (time.monotonic() - self._began) * self._scale

    def submit(self, sequence: Sequence) -> None:
        self.scheduler.submit(sequence, self.now())
        self._wake()

    def cancel(self, sequence: Sequence) -> None:
        """Its caller left; what it got until now is accounted for."""
        self.scheduler.cancel(sequence)
        self.counts.abort(sequence)
        self._wake()

    def _wake(self) -> None:
        """Something changed: an engine that is not in a step looks at once, after all that comes in the same
        moment."""
        if self._timer is None or not self.scheduler.stepping:
            if self._timer is not None:
                self._timer.cancel()
            self._due = self.now()
            self._timer = self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        due, now = self._due or 0.0, self.now()
        if now - due > LATE * self._scale:
            self.late_seconds += (now - due) / self._scale
            due = now
        step = self.scheduler.step(due)
        if step.seconds is None:
            self._due = None
        else:
            self._due = due + step.seconds if step.seconds > 0 else now
        self._arm(now)
        for sequence in step.produced:
            self._before_token()
            self.counts.token(sequence, due)
            sequence.told()

    def _arm(self, now: float) -> None:
        if self._due is None:
            self._timer = None
        elif (wait := (self._due - now) / self._scale) <= 0:
            self._timer = self._loop.call_soon(self._tick)
        else:
            self._timer = self._loop.call_later(math.ceil(wait / TIMER) * TIMER, self._tick)

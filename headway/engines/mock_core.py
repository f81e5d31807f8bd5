"""A mock engine's heart: its scheduler run in time, with one alarm for all requests.

A step begins when the one before was due to end, not when the event loop came to it: steps shorter than the loop's
timers (1 ms) and a late loop change when tokens are seen, not how fast the engine is. Only when the loop comes more
than LATE behind is the lost time given up (and counted in `late_seconds`: figures taken then are worth little). Idle,
there is no alarm.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from headway.engines.mock_clock import Clock
from headway.engines.mock_metrics import Counts
from headway.engines.mock_sequence import Scheduler, Sequence
from headway.wire.alarm import Alarm, alarm

__all__ = ["Core"]

LATE = 0.05
"""Seconds of ours."""
TIMER = 0.001
"""Seconds: what the loop's timers round to."""


class Core:
    def __init__(self, scheduler: Scheduler, counts: Counts, clock: Clock, before_token: Callable[[], None]) -> None:
        self.scheduler = scheduler
        self.counts = counts
        self.clock = clock
        self.late_seconds = 0.0
        self._before_token = before_token
        self._loop = asyncio.get_running_loop()
        self._due: float | None = None  # engine time of the next step; None when idle
        self._soon: asyncio.Handle | None = None
        self._armed = False
        self._alarm: Alarm = alarm(self._tick) if scheduler.exact else _RoundedAlarm(self._tick)

    def now(self) -> float:
        """The engine's clock."""
        return self.clock.engine(time.monotonic())

    @property
    def stalled(self) -> bool:
        """Whether the whole engine says nothing now."""
        return self.clock.stalled_until(time.monotonic()) is not None

    def submit(self, sequence: Sequence, came: float) -> None:
        """`came` is ours: its times count from there."""
        self.scheduler.submit(sequence, self.clock.engine(came))
        self._wake()

    def cancel(self, sequence: Sequence) -> None:
        """Its caller left; what it got until now is accounted for."""
        self.scheduler.cancel(sequence)
        self.counts.abort(sequence)
        self._wake()

    def _wake(self) -> None:
        """Something changed: an engine that is not in a step looks at once, after all that comes in the same
        moment."""
        if self._due is None or not self.scheduler.stepping:
            self._due = self.now()
            self._look_soon()

    def _tick(self) -> None:
        ours = time.monotonic()
        self._armed = False
        if (until := self.clock.stalled_until(ours)) is not None:
            self._ring_at(until)
            return
        due, now = self._due or 0.0, self.clock.engine(ours)
        if (late := self.clock.seconds(now - due)) > LATE:
            self.late_seconds += late
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
            self._ring_no_more()
        elif self._due <= now:
            self._look_soon()
        else:
            self._ring_at(self.clock.ours(self._due))

    def _look_soon(self) -> None:
        self._ring_no_more()
        if self._soon is not None:
            self._soon.cancel()
        self._soon = self._loop.call_soon(self._tick)

    def _ring_at(self, ours: float) -> None:
        self._alarm.set(ours)
        self._armed = True

    def _ring_no_more(self) -> None:
        if self._armed:
            self._alarm.clear()
            self._armed = False


class _RoundedAlarm:
    """The loop's own timer, rounded up: it never rings early, so nothing spins, and what is due within the same
    millisecond is told in one go."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        self.clear()
        wait = math.ceil((at - time.monotonic()) / TIMER) * TIMER
        self._timer = self._loop.call_later(max(wait, 0.0), self._ring)

    def clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        self.clear()

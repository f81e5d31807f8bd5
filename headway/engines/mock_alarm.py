"""What wakes a mock engine at its time: the event loop's timer, which rounds to a millisecond, or an exact one.

An exact alarm is a timer of the kernel (timerfd, Linux): some 50 us late on an idle machine. Elsewhere, and where
nobody was promised a time, the loop's timer does: rounded up it never rings early, so nothing spins, and what is due in
the same millisecond is told in one go.
"""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Alarm", "exact_alarm", "loop_alarm"]

TIMER = 0.001
"""Seconds: what the loop's timers round to."""
CLOCK_MONOTONIC = 1
TFD_TIMER_ABSTIME = 1


class Alarm(Protocol):
    """Rings once after each `set`. It lives as long as its process."""

    def set(self, when: float) -> None:
        """When to ring, by the monotonic clock; the last word counts."""

    def cancel(self) -> None: ...


def loop_alarm(ring: Callable[[], None]) -> Alarm:
    return _LoopAlarm(ring)


def exact_alarm(ring: Callable[[], None]) -> Alarm:
    return _KernelAlarm(ring) if sys.platform == "linux" and ctypes.sizeof(ctypes.c_long) == 8 else _LoopAlarm(ring)


class _LoopAlarm:
    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        self.cancel()
        wait = math.ceil((when - time.monotonic()) / TIMER) * TIMER
        self._timer = self._loop.call_later(max(wait, 0.0), self._ring)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Times(ctypes.Structure):
    """struct itimerspec of timerfd_settime(2)."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class _KernelAlarm:
    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._kernel = ctypes.CDLL(None, use_errno=True)
        self._file = self._kernel.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._times = _Times(0, 0, 0, 0)
        self._armed = False
        asyncio.get_running_loop().add_reader(self._file, self._readable)

    def set(self, when: float) -> None:
        seconds = int(when)
        self._settime(seconds, max(1, math.ceil((when - seconds) * 1e9)))  # all zero would be no alarm
        self._armed = True

    def cancel(self) -> None:
        if self._armed:
            self._settime(0, 0)
            self._armed = False

    def _settime(self, seconds: int, nanoseconds: int) -> None:
        carry, nanoseconds = divmod(nanoseconds, 1_000_000_000)
        self._times.seconds, self._times.nanoseconds = seconds + carry, nanoseconds
        if self._kernel.timerfd_settime(self._file, TFD_TIMER_ABSTIME, ctypes.byref(self._times), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _readable(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            return  # it was set anew between its ringing and this call
        self._armed = False
        self._ring()

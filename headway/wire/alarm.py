"""A timer to a tenth of a millisecond.

libuv's timers, and so asyncio's on uvloop, know whole milliseconds: at 200 requests a second that is a fifth of what
lies between two of them. Linux's timerfd knows nanoseconds and wakes the loop as a socket does. Elsewhere the loop's
timer brings us to within a millisecond, and the loop turns until the moment has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

__all__ = ["Alarm", "alarm"]

_MONOTONIC: Final = 1
_NONBLOCK_CLOEXEC: Final = 0o2004000
_ABSOLUTE: Final = 1
_NANO: Final = 1_000_000_000


class Alarm(Protocol):
    """One moment at a time, of the monotonic clock; one that is past comes at once."""

    def set(self, at: float) -> None: ...
    def clear(self) -> None: ...
    def close(self) -> None: ...


def alarm(ring: Callable[[], None]) -> Alarm:
    """The finest that this system has."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # no timerfd here after all
            return _FineAlarm(ring)
    return _LoopAlarm(ring)


class _Time(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanos", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _Time), ("value", _Time))


class _FineAlarm:
    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring, self._loop = ring, asyncio.get_running_loop()
        library = ctypes.CDLL(None, use_errno=True)
        self._settime = library.timerfd_settime
        self._fd = library.timerfd_create(_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Setting()
        self._pointer = ctypes.byref(self._setting)
        self._loop.add_reader(self._fd, self._rings)

    def set(self, at: float) -> None:
        self._write(max(1, int(at * _NANO)))  # 0 would turn it off

    def clear(self) -> None:
        self._write(0)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _write(self, nanos: int) -> None:
        value = self._setting.value
        value.seconds, value.nanos = divmod(nanos, _NANO)
        self._settime(self._fd, _ABSOLUTE, self._pointer, None)

    def _rings(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it was set anew meanwhile
            os.read(self._fd, 8)
            self._ring()


class _LoopAlarm:
    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring, self._loop = ring, asyncio.get_running_loop()
        self._at = 0.0
        self._handle: asyncio.Handle | None = None

    def set(self, at: float) -> None:
        self.clear()
        self._at = at
        self._wait()

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def close(self) -> None:
        self.clear()

    def _wait(self) -> None:
        left = self._at - monotonic()
        if left > 0.002:
            self._handle = self._loop.call_later(left - 0.0015, self._wait)
        elif left > 0:
            self._handle = self._loop.call_soon(self._wait)
        else:
            self._handle = self._loop.call_soon(self._ring)

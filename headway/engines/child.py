"""Runs a program that takes long (pip, cmake, a download): its lines as they come, a word at least twice a
second.

It gets its own process group, so that stopping it stops all that it started. Heavy libraries (numpy, the
hub's client) are used in such programs too: the control process stays small, and a hung download can be
ended.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["Ended", "TimedOut", "run"]

TICK = 0.4
LAST_LINES = 60
END_GRACE = 3.0
LONGEST_LINE = 1 << 16


class TimedOut(Exception):
    """The program did not end within its deadline; it has been killed."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    lines: tuple[str, ...]  # the last ones


def run(
    argv: Sequence[str],
    *,
    on_line: Callable[[str], None],
    tick: Callable[[], None] = lambda: None,
    deadline: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
) -> Ended:
    """Run to the end. `on_line` and `tick` may raise: the whole process group is then ended before the
    exception goes on.

    Raises OSError when the program cannot be started, TimedOut after `deadline` seconds.
    """
    ends = None if deadline is None else time.monotonic() + deadline
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    last: deque[str] = deque(maxlen=LAST_LINES)

    def heard(line: str) -> None:
        last.append(line)
        on_line(line)

    try:
        with process.stdout as pipe, _sink(log) as sink:
            _read(pipe, sink, ends, heard, tick)
        code = _wait(process, ends, tick)
    except BaseException:
        _end(process)
        raise
    return Ended(code, tuple(last))


def _read(
    pipe: IO[bytes], sink: IO[bytes], ends: float | None, on_line: Callable[[str], None], tick: Callable[[], None]
) -> None:
    held = b""
    with selectors.DefaultSelector() as ready:
        ready.register(pipe, selectors.EVENT_READ)
        while True:
            if ready.select(TICK):
                data = os.read(pipe.fileno(), LONGEST_LINE)
                if not data:
                    break
                sink.write(data)
                *whole, held = (held + data).replace(b"\r", b"\n").split(b"\n")
                held = held[-LONGEST_LINE:]
                for line in whole:
                    on_line(line.decode(errors="replace"))
            _check(ends)
            tick()
    if held:
        on_line(held.decode(errors="replace"))


def _wait(process: subprocess.Popen[bytes], ends: float | None, tick: Callable[[], None]) -> int:
    """It may close its output and go on."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(TICK)
        _check(ends)
        tick()


def _check(ends: float | None) -> None:
    if ends is not None and time.monotonic() > ends:
        raise TimedOut


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, a short grace, SIGKILL, for the whole group: the program may have children that outlive it."""
    for number, grace in ((signal.SIGTERM, END_GRACE), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace)


def _sink(log: Path | None) -> IO[bytes]:
    return Path(log or os.devnull).open("wb")

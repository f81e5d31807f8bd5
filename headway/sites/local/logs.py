"""An engine's log: one file per Replica, appended to by the engine itself, bounded, read from its end.

The file is emptied in place when it is full (the engine goes on writing to it, appending), so a reader that follows
sees it shrink and starts over; the older half is kept beside it as `.1`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

__all__ = ["begin", "follow", "last_lines", "lines_of_this_start", "rotate"]

_BLOCK = 64 << 10
_MOST = 1 << 20
"""No reader gets more than this of the past, however long the lines are. Bytes."""

_FOLLOW_SECONDS = 0.2
_BEGIN = "--- headway: "


def begin(log: Path, replica: str, incarnation: int, argv: Sequence[str], limit: int) -> None:
    """Make room if need be and write the line that parts one start from the next."""
    rotate(log, limit)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    log.touch(mode=0o600)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{_BEGIN}{replica} start {incarnation} at {stamp}: {shlex.join(argv)}\n")


def rotate(log: Path, limit: int) -> None:
    """Keep the log below `limit` bytes, with as much again in `.1`."""
    try:
        full = log.stat().st_size > limit
    except FileNotFoundError:
        return
    if full:
        with contextlib.suppress(OSError):  # on a full disk the older half is what goes
            shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def last_lines(log: Path, count: int) -> list[str]:
    """The last `count` lines, read from the end; [] when there is no log."""
    lines, rest, _ = _tail(log, count)
    lines = [*lines, rest] if rest else lines
    return [line.decode(errors="replace") for line in lines[-count:]]


def lines_of_this_start(log: Path, count: int) -> list[str]:
    """The last lines that the newest start wrote."""
    lines = last_lines(log, count)
    begins = [index for index, line in enumerate(lines) if line.startswith(_BEGIN)]
    return lines[begins[-1] + 1 :] if begins else lines


async def follow(log: Path, count: int, goes_on: Callable[[], bool]) -> AsyncIterator[str]:
    """The last `count` lines, then each new one, until the log is read and `goes_on` says no."""
    lines, rest, position = await asyncio.to_thread(_tail, log, count)
    for line in lines:
        yield line.decode(errors="replace")
    while True:
        last_look = not goes_on()
        data, position = await asyncio.to_thread(_read_on, log, position)
        *whole, rest = (rest + data).split(b"\n")
        if len(rest) > _MOST:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield line.decode(errors="replace")
        if not data:
            if last_look:
                break
            await asyncio.sleep(_FOLLOW_SECONDS)
    if rest:
        yield rest.decode(errors="replace")


def _tail(log: Path, count: int) -> tuple[list[bytes], bytes, int]:
    """The last whole lines, the beginning of the one that is being written, and where the file ended."""
    data = b""
    try:
        with log.open("rb") as file:
            end = start = file.seek(0, os.SEEK_END)
            while start and end - start < _MOST and data.count(b"\n") <= count:
                start = max(0, start - _BLOCK)
                file.seek(start)
                data = file.read(end - start)
    except FileNotFoundError:
        return [], b"", 0
    *lines, rest = data.split(b"\n")
    return lines[max(0, len(lines) - count) :], rest, end


def _read_on(log: Path, position: int) -> tuple[bytes, int]:
    try:
        with log.open("rb") as file:
            if file.seek(0, os.SEEK_END) < position:
                position = 0
            file.seek(position)
            data = file.read(_MOST)
    except FileNotFoundError:
        return b"", 0
    return data, position + len(data)

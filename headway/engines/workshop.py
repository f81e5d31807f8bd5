"""Where things that take long are made: in the cache, by one process at a time, whole or not there at all.

    with only_one(target, report, "the model"):          others wait here, and then find it made
        with workplace(target, needs=98_000_000) as room:   a new folder beside the target
            ... make things in room ...
            publish(room / "x", target)                  one rename

The room is gone afterwards, however it ended; what a killed process left is swept by the next one. A full
disk is told with what is needed, what is free, and where.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from headway.engines.base import Progress, Report
from headway.errors import ResourceError

__all__ = ["FULL", "disk_full", "make_room", "megabytes", "only_one", "publish", "workplace"]

LOCK_POLL = 0.2
FULL = (errno.ENOSPC, errno.EDQUOT)
SETTING = "HEADWAY_CACHE_DIR"


@contextmanager
def only_one(target: Path, report: Report, label: str) -> Iterator[None]:
    """Hold the lock of one artifact. The kernel frees it when its holder dies. Waiting is told, and can be
    cancelled."""
    make_room(target.parent)
    with _opened(target.parent / f".{target.name}.lock") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                report(Progress("download", f"{label}: another Headway process is making it"))
                time.sleep(LOCK_POLL)
        yield


def _opened(lock: Path) -> IO[bytes]:
    try:
        return lock.open("ab")
    except OSError as error:
        raise _told(lock.parent, error) from error


@contextmanager
def workplace(target: Path, needs: int) -> Iterator[Path]:
    """A new folder in the target's folder, for whoever holds the target's lock. Raises ResourceError for lack
    of disk."""
    make_room(target.parent)
    prefix = f".{target.name}.partial-"
    for left in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(target.parent).free < needs:
        raise disk_full(target.parent, needs)
    try:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent, ignore_cleanup_errors=True) as room:
            yield Path(room)
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(target.parent, needs) from error
        raise


def publish(made: Path, target: Path) -> None:
    """Put what was made in its place, in one step where the file system has one; what was there before goes."""
    if target.is_dir():
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
        target.rename(old / target.name)
        made.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        made.replace(target)


def make_room(folder: Path) -> None:
    """Make the folder. Raises ResourceError when that may not be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError as error:
        raise _told(folder, error) from error
    if not writable:
        raise _told(folder, PermissionError())


def _told(folder: Path, error: OSError) -> ResourceError:
    if error.errno in FULL:
        return disk_full(folder, 1_000_000)
    return ResourceError(f"the cache {folder} cannot be written", hint=f"set {SETTING} to a folder that can")


def disk_full(folder: Path, needs: int) -> ResourceError:
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return ResourceError(
        f"disk full in the cache: needs {megabytes(needs)} at {folder}, {megabytes(free)} free",
        hint=f"free some or set {SETTING}",
    )


def megabytes(size: float) -> str:
    return f"{size / 1e6:.0f} MB"

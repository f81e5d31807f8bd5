"""Looking at processes that may end while they are looked at."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

__all__ = ["has_ended", "is_gone", "named", "running"]


def named(processes: Iterable[psutil.Process], *names: str) -> list[psutil.Process]:
    """Those that run and have one of these names."""
    return [each for each in processes if _name(each) in names]


def running(processes: Iterable[psutil.Process], what: str) -> list[psutil.Process]:
    """Those that run and have this in their command line."""
    return [each for each in processes if what in _command(each)]


def has_ended(process: psutil.Process) -> bool:
    """Gone, or dead and not yet waited for."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def is_gone(pid: int) -> bool:
    """As `has_ended`, by its number."""
    try:
        return has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie, too: it has no command line any more
        return ""

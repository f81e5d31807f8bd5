"""Whether somebody uses a program on this machine: is connected to its port, or lets it compute.

A browser tab holds a connection as long as it is open; a notebook that computes with its tab closed takes cores. Our
own probes are no use.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import psutil

__all__ = ["BUSY", "cpu_seconds", "is_connected"]

BUSY = 0.1
"""Share of a core over the time between two looks above which a program works for somebody: an idle JupyterLab takes
about 0.01."""


def is_connected(pid: int, port: int) -> bool:
    """Anybody but this process has a connection to that port of the program or of what it started."""
    ours = {each.laddr for each in _connections(os.getpid())}
    there = (each for one in _family(pid) for each in _connections(one.pid))
    return any(each.laddr and each.laddr[1] == port and each.raddr and each.raddr not in ours for each in there)


def cpu_seconds(pid: int) -> float:
    """That the program and what it started have taken so far."""
    total = 0.0
    for each in _family(pid):
        with contextlib.suppress(psutil.Error):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        one = psutil.Process(pid)
        return [one, *one.children(recursive=True)]
    return []


def _connections(pid: int) -> list[Any]:
    with contextlib.suppress(psutil.Error, OSError):
        return [each for each in psutil.Process(pid).net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]
    return []

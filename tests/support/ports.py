"""Ports for programs that have to be told theirs before they start.

They lie below those that the system hands out by itself (32768 and up on Linux, 49152 on others), so that no connection
and no server on port 0 takes one between its choice and its use. Each process begins at a place of its own and goes on
from there: test processes side by side do not meet.
"""

from __future__ import annotations

import itertools
import os
import socket

__all__ = ["free_port"]

_FIRST, _COUNT = 10_000, 20_000
_next = itertools.count(os.getpid() * 97)


def free_port() -> int:
    for number in _next:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port := _FIRST + number % _COUNT))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable: the numbers do not end")

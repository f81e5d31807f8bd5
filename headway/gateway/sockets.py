"""Options of every TCP connection: no waiting for more to send, and a peer whose machine vanished is
noticed."""

from __future__ import annotations

import asyncio
import socket

__all__ = ["is_near", "tune"]

_IDLE, _INTERVAL, _PROBES = 20, 5, 3
"""Seconds, seconds, count: a silent peer is probed after 20 s and given up after 35 s."""


def tune(transport: asyncio.BaseTransport) -> None:
    """Without TCP_NODELAY the first event of a stream would wait 40 ms for the caller's delayed ACK of the
    head."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # Linux; elsewhere the system's own times
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)


def is_near(peer: object) -> bool:
    """Whether a peer's name is one of this machine's own."""
    host = peer[0] if isinstance(peer, tuple) and peer else ""
    return isinstance(host, str) and (host.startswith(("127.", "::ffff:127.")) or host == "::1")

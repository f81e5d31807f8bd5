"""Listening sockets: one for each worker on the same port, held by the hub.

The kernel spreads new connections over them (SO_REUSEPORT). The hub keeps each socket open while its worker is
replaced, so callers who connect in between wait in its backlog and are not refused.
"""

from __future__ import annotations

import errno
import socket

from headway.errors import ResourceError

__all__ = ["address_of", "listeners", "reserved"]

_BACKLOG = 1024


def listeners(host: str, port: int, count: int, *, shared: bool) -> list[socket.socket]:
    """`count` sockets that listen on host:port (0 = a free one for all). `shared`: workers of this gateway listen
    there already. Raises ResourceError."""
    made: list[socket.socket] = []
    try:
        if port and not shared:
            _refuse_taken(host, port)
        for _ in range(count):
            made.append(_listen(host, port))
            port = made[0].getsockname()[1]
    except OSError as error:
        for each in made:
            each.close()
        raise _not_had(host, port, "--port", error) from error
    return made


def reserved(host: str, port: int, option: str, *, shared: bool) -> socket.socket:
    """host:port (0 = a free one) kept for workers that listen there themselves: taken by no other user, and no caller
    ever waits at this socket. `option`: what chose the port. Raises ResourceError."""
    taken = socket.socket(_family(host), socket.SOCK_STREAM)
    try:
        if port and not shared:
            _refuse_taken(host, port)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise _not_had(host, port, option, error) from error
    return taken


def _not_had(host: str, port: int, option: str, error: OSError) -> ResourceError:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return ResourceError(f"{where} is taken", hint=f"stop what listens there, or choose another {option}")
    hint = f"choose another --host or {option}"
    return ResourceError(f"{where}: cannot listen there ({error.strerror or error})", hint=hint)


def address_of(listener: socket.socket, *, tls: bool) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _refuse_taken(host: str, port: int) -> None:
    """Sockets with SO_REUSEPORT would join another gateway of this user without a word: try without first."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(_family(host), socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener

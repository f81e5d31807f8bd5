"""Serving an ASGI app on a socket inside the control process's own event loop and signal handling."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from headway.control.waiting import first_of

__all__ = ["Stop", "serve_app"]

BACKLOG = 128
END_STREAMS_WITHIN = 1  # seconds for open answers when the process stops; watchers end at once


class Stop(asyncio.Event):
    """Set when the process shall end. `everything`: its gateway too, because nothing is wanted any more."""

    def __init__(self) -> None:
        super().__init__()
        self.everything = False

    def stop_everything(self) -> None:
        self.everything = True
        self.set()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield  # signals are the process's business, and it serves two apps


async def serve_app(app: ASGIApp, listening: socket.socket, stop: Stop) -> None:
    """Serve until `stop` is set."""
    listening.listen(BACKLOG)
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=END_STREAMS_WITHIN,
        server_header=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await first_of(_ended(serving), stop.wait())
    finally:
        server.should_exit = True
    await serving


async def _ended(serving: asyncio.Task[None]) -> None:
    """Wait without being the task itself: cancelling the wait must not cancel the server."""
    await asyncio.wait([serving])

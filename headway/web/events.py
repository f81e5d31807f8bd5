"""`GET /events`: Snapshots as Server-Sent Events, one after each change, for as long as the browser stays.

Events are named `snapshot` (data: the Snapshot as JSON) and `beat` (empty, when nothing changed for BEAT
seconds: the page can tell a quiet control process from a hung one). The number of streams is bounded, and so is
the time that one write may take: a browser that stopped reading is let go. Streams end when `watch` ends, so the
owner of `watch` decides how shutdown goes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from headway.control.snapshot import Snapshot
from headway.web.public import public_json

__all__ = ["BEAT", "MOST_STREAMS", "Events"]

BEAT = 5.0  # seconds; the page calls the control process silent after three of them
MOST_STREAMS = 32
WRITE_DEADLINE = 30.0

_HEAD = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]

Write = Callable[[bytes], Awaitable[None]]


class Events:
    """An ASGI application: one call is one stream."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        watch: Callable[[], AsyncIterator[Snapshot]],
        *,
        beat: float = BEAT,
        most: int = MOST_STREAMS,
    ) -> None:
        self._snapshot, self._watch, self._beat, self._most = snapshot, watch, beat, most
        self._streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._streams >= self._most:
            refusal = PlainTextResponse(f"{self._most} pages are open already; close one\n", 503, {"retry-after": "5"})
            await refusal(scope, receive, send)
            return
        self._streams += 1
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
            if scope["method"] == "GET":
                await _until_gone(self._relay(_writer(send)), receive)
            await send({"type": "http.response.body", "body": b""})
        finally:
            self._streams -= 1

    async def _relay(self, write: Write) -> None:
        changes = self._watch()
        coming = asyncio.create_task(_next(changes))  # before the first Snapshot: no change is missed
        try:
            await write(b"retry: 1000\n" + _event(self._snapshot()))
            while True:
                await asyncio.wait({coming}, timeout=self._beat)
                if not coming.done():
                    await write(b"event: beat\ndata:\n\n")
                    continue
                state = coming.result()
                if state is None:
                    return
                coming = asyncio.create_task(_next(changes))
                await write(_event(state))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            if isinstance(changes, AsyncGenerator):
                await changes.aclose()


async def _next(changes: AsyncIterator[Snapshot]) -> Snapshot | None:
    return await anext(changes, None)


def _event(state: Snapshot) -> bytes:
    return b"event: snapshot\ndata: " + public_json(state) + b"\n\n"


def _writer(send: Send) -> Write:
    async def write(chunk: bytes) -> None:
        async with asyncio.timeout(WRITE_DEADLINE):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

    return write


async def _until_gone(relay: Awaitable[None], receive: Receive) -> None:
    """Run the relay to its end, or until the browser leaves or stops reading."""
    relaying = asyncio.ensure_future(relay)
    leaving = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({relaying, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if relaying.done():
            with contextlib.suppress(TimeoutError):
                relaying.result()
    finally:
        relaying.cancel()
        leaving.cancel()
        await asyncio.gather(relaying, leaving, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

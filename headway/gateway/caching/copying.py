"""The caller as an engine's answer reaches it through a cache: a copy is kept, or kept vectors are put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headway.wire.openai import Refusal

if TYPE_CHECKING:
    from headway.gateway.caller import Client
    from headway.gateway.exchange import Exchange

__all__ = ["Copy", "Mending"]


class Copy:
    """Passes all on to `client`, with one header more. `body`: what was passed on, None when it was more than `most`
    bytes."""

    def __init__(self, client: Client, header: bytes, most: int) -> None:
        self.kind = b""
        self.client, self._header, self._most = client, header, most
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def near(self) -> bool:
        return self.client.near

    @property
    def body(self) -> bytes | None:
        return b"".join(self._parts) if 0 < self._size <= self._most else None

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        self.kind = _kind(headers)
        self._add(body)
        self.client.respond(status, headers + self._header, body)

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        self.kind = _kind(headers)
        self.client.start(status, headers + self._header, length)

    def write(self, data: bytes) -> None:
        self._add(data)
        self.client.write(data)

    def end(self) -> None:
        self.client.end()

    def abort(self) -> None:
        self.client.abort()

    def refuse(self, refusal: Refusal) -> None:
        self.client.refuse(refusal)

    def wake_at(self, due: float) -> None:
        self.client.wake_at(due)

    def hand_over(self, running: Exchange) -> None:
        self.client.hand_over(running)

    def _add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= self._most:
            self._parts.append(data)
        else:
            self._parts.clear()


class Mending(Copy):
    """Holds a good answer until it is whole and passes on what `mend` makes of it. Where that is nothing the answer is
    of no use: `broken` is called, and has to answer."""

    def __init__(
        self,
        client: Client,
        header: bytes,
        most: int,
        *,
        mend: Callable[[bytes], bytes | None],
        broken: Callable[[], None],
    ) -> None:
        super().__init__(client, header, most)
        self._mend, self._broken = mend, broken
        self._headers = b""

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        if status != 200:
            self.client.respond(status, headers + self._header, body)
            return
        self._headers, self.kind = headers, _kind(headers)
        self._add(body)
        self.end()

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        self._headers, self.kind = headers, _kind(headers)

    def write(self, data: bytes) -> None:
        self._add(data)

    def end(self) -> None:
        body = self.body
        whole = self._mend(body) if body is not None else None
        if whole is None:
            self._broken()
        else:
            self.client.respond(200, self._headers + self._header, whole)


def _kind(headers: bytes) -> bytes:
    """The line of the block that says what the body is."""
    lines = headers.splitlines(keepends=True)
    return next((line for line in lines if line[:13].lower() == b"content-type:"), b"")

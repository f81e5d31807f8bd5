"""What processes of one program say to each other over a socket pair: a frame is its length (4 bytes, big-endian) and a
msgpack object with a `type`. The pair ends when either process ends, and that is how each learns of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import msgspec

__all__ = ["Channel"]

MOST_BYTES = 256 * 1024 * 1024
_ENCODER = msgspec.msgpack.Encoder()
Frame = TypeVar("Frame")


class Channel(asyncio.Protocol, Generic[Frame]):
    """One end. `heard` gets each frame, `gone` is called once when the other end is no more."""

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[Frame],
        heard: Callable[[Frame], None],
        gone: Callable[[], None],
    ) -> None:
        self._decoder, self._heard, self._gone = decoder, heard, gone
        self._transport: asyncio.Transport | None = None
        self._rest = bytearray()

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def backlog(self) -> int:
        """Bytes that the other end has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def say(self, frame: object) -> None:
        if self._transport is not None and not self._transport.is_closing():
            data = _ENCODER.encode(frame)
            self._transport.write(len(data).to_bytes(4, "big") + data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        rest = self._rest
        rest += data
        at = 0
        while len(rest) - at >= 4:
            end = at + 4 + int.from_bytes(rest[at : at + 4], "big")
            if end - at > MOST_BYTES:
                self.close()
                return
            if len(rest) < end:
                break
            frame = self._decoder.decode(memoryview(rest)[at + 4 : end].tobytes())
            at = end
            self._heard(frame)
        del rest[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._gone()

"""One request outside of the load: what a run asks before it begins, and the server's metrics while it goes on."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from headway.bench.connection import Connection
from headway.bench.framing import Head
from headway.bench.target import Address
from headway.errors import UnreachableError

__all__ = ["ask"]

_MOST: Final = 64 << 20


async def ask(address: Address, trust: ssl.SSLContext | None, request: bytes, seconds: float) -> tuple[Head, bytes]:
    """The answer, whatever its status, over a connection of its own. Raises UnreachableError: one line."""
    loop, place = asyncio.get_running_loop(), f"{address.name}:{address.port}"
    connection: Connection | None = None
    reply = _Reply(loop.create_future(), place)
    try:
        async with asyncio.timeout(seconds):
            _, connection = await loop.create_connection(
                lambda: Connection(_ignore, _ignore),
                address.host,
                address.port,
                ssl=trust,
                server_hostname=address.name if trust else None,
            )
            connection.send(request, reply)
            return await reply.answer
    except TimeoutError:
        hint = "is it overloaded, or no HTTP server?"
        raise UnreachableError(f"{place} gave no answer within {seconds:g} s", hint=hint) from None
    except ConnectionRefusedError:
        hint = "start the server, or check the address"
        raise UnreachableError(f"nobody listens at {place}", hint=hint) from None
    except ssl.SSLCertVerificationError as error:
        hint = "name a file with the certificate of its authority"
        raise UnreachableError(f"{place}: its certificate is not trusted ({error.verify_message})", hint=hint) from None
    except ssl.SSLError as error:
        hint = "does it speak TLS? try http://"
        raise UnreachableError(f"{place}: no TLS ({error.reason or error})", hint=hint) from None
    except OSError as error:
        raise UnreachableError(f"{place} cannot be reached: {error}", hint="check the address") from error
    finally:
        if connection is not None:
            connection.drop()


def _ignore(_: Connection) -> None:
    """It is dropped after its one answer."""


class _Reply:
    def __init__(self, answer: asyncio.Future[tuple[Head, bytes]], place: str) -> None:
        self.answer, self._place = answer, place
        self._head: Head | None = None
        self._parts: list[bytes] = []
        self._size = 0

    def began(self, now: float) -> None:
        """Only a whole answer counts."""

    def answered(self, head: Head) -> None:
        self._head = head

    def body(self, data: bytes, now: float) -> None:
        self._size += len(data)
        if self._size <= _MOST:
            self._parts.append(data)

    def complete(self, now: float) -> None:
        if self._head is not None and not self.answer.done():
            self.answer.set_result((self._head, b"".join(self._parts)))

    def broken(self, code: str, said: str, now: float) -> None:
        if not self.answer.done():
            hint = "is it an HTTP server?"
            self.answer.set_exception(UnreachableError(f"{self._place}: {said}", hint=hint))

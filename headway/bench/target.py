"""Where requests go: the target's URL taken apart, the trust in its certificate, and the heads that requests begin
with.

The name is looked up once, before the run: what a resolver does in the middle of one is not the server's doing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from headway import __version__
from headway.bench.plan import Target
from headway.errors import ResourceError, UnreachableError, UsageError
from headway.perf.traffic.planned import Operation
from headway.wire.http import header

__all__ = ["PATHS", "Address", "Heads", "address_of", "looked_up", "trust_of"]

PATHS: Final[Mapping[Operation, str]] = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "embedding": "/v1/embeddings",
}

_OURS: Final = ("host", "content-length", "content-type", "transfer-encoding", "accept-encoding", "x-request-id")


@dataclass(frozen=True, slots=True)
class Address:
    """`host` is a name, or, once it is looked up, the number that answered; `name` is what certificates are checked
    against; `prefix` is the base path without /v1."""

    host: str
    port: int
    name: str
    tls: bool
    prefix: str
    authority: str


def address_of(url: str) -> Address:
    """Raises UsageError for what is no address of a server."""
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    wrong = parts.username is not None or parts.query or parts.fragment if host else True
    if host is None or wrong or parts.scheme not in ("http", "https") or not text.isprintable() or " " in text:
        raise UsageError(f"{url!r} is no address of a server", hint="write http://host:port or https://host/base/path")
    tls = parts.scheme == "https"
    prefix = parts.path.rstrip("/").removesuffix("/v1")
    return Address(host, port or (443 if tls else 80), host, tls, prefix, parts.netloc)


async def looked_up(address: Address, seconds: float) -> Address:
    """The same with the first number that takes a connection. Raises UnreachableError."""
    loop, place = asyncio.get_running_loop(), f"{address.name}:{address.port}"
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            numbers = [str(each[4][0]) for each in found]
            for number in numbers[:-1]:
                if await _listens(number, address.port):
                    return replace(address, host=number)
    except TimeoutError:
        raise UnreachableError(f"{place} was not reached within {seconds:g} s", hint="check the address") from None
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"the name {address.host!r} is not known ({error})", hint="check the address") from error
    return replace(address, host=numbers[-1])


async def _listens(host: str, port: int) -> bool:
    try:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
    except OSError:
        return False
    transport.abort()
    return True


def trust_of(target: Target, address: Address) -> ssl.SSLContext | None:
    """None without TLS. Raises ResourceError for a file that holds no certificates."""
    if not address.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=target.ca)  # the system's roots; SSL_CERT_FILE is honoured
    except (OSError, ssl.SSLError) as error:
        hint = "name a PEM file with the certificate of the server's authority"
        raise ResourceError(f"{target.ca}: not usable for TLS ({error})", hint=hint) from error
    if not target.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class Heads:
    """The heads of requests, made once for each path and tenant; `x-request-id` is `bench-RUN-NUMBER`. Raises
    UsageError for headers that cannot be sent."""

    def __init__(self, target: Target, address: Address, run: str) -> None:
        self._keys, self._prefix = target.keys, address.prefix
        fixed = header("host", address.authority) + header("user-agent", f"headway-bench/{__version__}")
        fixed += b"accept-encoding: identity\r\n"
        for name, value in target.headers:
            if name.lower() in _OURS or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
                raise UsageError(f"the header {name!r} cannot be set", hint="name another one")
            fixed += header(name, value)
        self._fixed, self._run = fixed, run
        if any(name.lower() == "authorization" for name, _ in target.headers):
            self._keys = {}  # who says it so means it so
        self._made: dict[tuple[str, str], bytes] = {}

    def post(self, path: str, tenant: str, number: int, length: int) -> bytes:
        """The head of a request with a JSON body of so many bytes."""
        made = self._made.get((path, tenant))
        if made is None:
            made = self._line("POST", path) + self._key(tenant) + b"content-type: application/json\r\n"
            made += f"x-request-id: bench-{self._run}-".encode()
            self._made[path, tenant] = made
        return b"%b%d\r\ncontent-length: %d\r\n\r\n" % (made, number, length)

    def get(self, path: str) -> bytes:
        """A whole request, under the key of any tenant."""
        return self._line("GET", path) + self._key(next(iter(self._keys), "")) + b"\r\n"

    def _line(self, method: str, path: str) -> bytes:
        return f"{method} {self._prefix}{path} HTTP/1.1\r\n".encode() + self._fixed

    def _key(self, tenant: str) -> bytes:
        key = self._keys.get(tenant, self._keys.get("", ""))
        return header("authorization", f"Bearer {key}") if key else b""

"""What stands before a page on loopback: who may ask, how, and what a browser may do with the answer.

- Only a Host that is loopback, or one that was configured, is answered: a name that an attacker's DNS points at
  127.0.0.1 (DNS rebinding) is not.
- Only GET and HEAD: nothing on this address changes anything.
- Every answer forbids scripts and styles that are inline or from elsewhere, framing, sniffing and referrers. The
  page may connect to itself and to the gateway, nothing else.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["guard"]

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


def guard(app: ASGIApp, *, hosts: Collection[str] = (), gateway: Callable[[], str] = str) -> ASGIApp:
    """`hosts`: names besides loopback that the page is served under. `gateway`: its address now, or empty."""
    allowed = frozenset(host.lower().rstrip(".") for host in hosts if host)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        refusal = _refusal(scope, allowed)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await (refusal or app)(scope, receive, _with_headers(send, _policy(gateway())))

    return guarded


def _refusal(scope: Scope, allowed: frozenset[str]) -> Response | None:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1 or not _is_ours(_hostname(hosts[0]), allowed):
        return PlainTextResponse(
            "this page answers to localhost and to its configured host only; open it at the address "
            "that `headway up` printed\n",
            421,
        )
    if scope.get("method") not in ("GET", "HEAD"):
        return PlainTextResponse("this address only reads; use the headway command to change things\n", 405)
    return None


def _hostname(host: str) -> str:
    """The name in a Host header, without port and brackets; empty when it is malformed."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(?::\d{1,5})?", host)
    return match[1].strip("[]").lower().rstrip(".") if match else ""


def _is_ours(name: str, allowed: frozenset[str]) -> bool:
    if name == "localhost" or name in allowed:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _policy(address: str) -> bytes:
    parts = urlsplit(address)
    origin = f"{parts.scheme}://{parts.netloc}"
    connect = f"'self' {origin}" if _ORIGIN.fullmatch(origin) else "'self'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ).encode()


def _with_headers(send: Send, policy: bytes) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), *_HEADERS, (b"content-security-policy", policy)]
            message = {**message, "headers": headers}
        await send(message)

    return sending

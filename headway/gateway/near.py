"""Callers who need no key because they are on this machine: whether it is this machine that they think they ask.

A browser on this machine is near, and so is every page in it. A page elsewhere can reach a gateway on loopback in two
ways: its own name is made to point at 127.0.0.1 (DNS rebinding), and then `Host` is that name; or it asks localhost
outright, and then `Origin` is its own. Programs send no `Origin`, and address this machine by a name that nobody else
can give away: localhost, an address, its own host name, or what containers call it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import lru_cache
from typing import Final

from headway.wire.openai import Refusal

__all__ = ["is_local_page", "misled"]

_HOST: Final = re.compile(rb"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(?::\d{1,5})?", re.ASCII)
_PAGE: Final = re.compile(rb"https?://(.+)", re.IGNORECASE)
_OF_NO_PAGE: Final = re.compile(rb"(?!https?:)[a-z][a-z0-9+.-]*://[^\s]+", re.IGNORECASE)
"""Of a program's own window: chrome-extension://…, tauri://localhost. Web pages have http, https or `null`."""
_CONTAINERS: Final = ("host.docker.internal", "host.containers.internal")
"""What Docker Desktop and Podman call the machine that they run on; `internal` is never delegated in the DNS."""


def misled(headers: dict[bytes, bytes]) -> Refusal | None:
    """Why a near caller is not answered without a key."""
    host = headers.get(b"host")
    if host and not _is_ours(host):
        return _refusal("Host", host, "call it localhost or 127.0.0.1")
    origin = headers.get(b"origin")
    if origin is not None and not is_local_page(origin) and not _OF_NO_PAGE.fullmatch(origin):
        return _refusal("Origin", origin, "ask from a page of this machine")
    return None


@lru_cache(maxsize=64)
def is_local_page(origin: bytes) -> bool:
    """Whether an `Origin` is of a page that this machine itself serves."""
    page = _PAGE.fullmatch(origin)
    return page is not None and _is_here(_name(page[1]))


@lru_cache(maxsize=64)
def _is_ours(host: bytes) -> bool:
    name = _name(host.strip(b" \t"))
    return _is_here(name) or _is_address(name) or name in _CONTAINERS


def _name(host: bytes) -> str:
    """Without port, brackets and the dot of the root; empty when it is malformed."""
    found = _HOST.fullmatch(host)
    return found[1].decode("latin-1").strip("[]").lower().removesuffix(".") if found else ""


def _is_here(name: str) -> bool:
    if name in ("localhost", socket.gethostname().lower()) or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    """Whoever writes an address has asked no DNS, so nobody has led them here."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refusal(header: str, found: bytes, advice: str) -> Refusal:
    shown = found[:100].decode("latin-1")
    message = (
        f"Without a Tenant this gateway is for programs and pages of its own machine, and {header} is {shown!r}: "
        f"{advice}, or add a Tenant and send a key."
    )
    return Refusal(403, "foreign_host", message)

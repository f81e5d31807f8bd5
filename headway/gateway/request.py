"""One request of a caller, as it came off the connection, and the id under which everybody knows it."""

from __future__ import annotations

import os
import random
import re
from typing import Final

__all__ = ["Request", "new_request_id", "sane_request_id"]

_RANDOM = random.Random(os.urandom(32))  # noqa: S311 (ids are unlike, not secret; a system call each costs 7 %)
_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def new_request_id() -> str:
    return "req-" + _RANDOM.randbytes(10).hex()


def sane_request_id(given: bytes | None) -> str:
    """The caller's id if it is short and plain, else a new one."""
    return given.decode() if given and _SANE_ID.fullmatch(given) else new_request_id()


class Request:
    """Mutable while it is being read. Header names are lower case; `accepted` is loop time at the end of the
    head."""

    __slots__ = ("accepted", "headers", "http10", "id", "keep_alive", "method", "parts", "size", "target")

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.http10 = False
        self.keep_alive = True
        self.parts: list[bytes] = []
        self.size = 0
        self.accepted = 0.0
        self.id = ""

    @property
    def body(self) -> bytes:
        if len(self.parts) != 1:
            self.parts = [b"".join(self.parts)]
        return self.parts[0]

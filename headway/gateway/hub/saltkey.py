"""The key of tenants' salts: the secret that the table names, so that several gateways agree, else this host's own.

It lasts, so that a restarted gateway finds what engines have cached. Where it cannot be had a new one serves this run:
nobody is mixed with others, engines only read prompts again.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from headway.errors import HeadwayError
from headway.store.secrets import resolve_secret

__all__ = ["SaltKey"]

log = logging.getLogger("headway.gateway")

_BYTES = 32


class SaltKey:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._spare = os.urandom(_BYTES)
        self._said = ""

    def find(self, secret: str) -> bytes:
        """`secret` is `secret:NAME/KEY` or empty."""
        try:
            return _hashed(resolve_secret(secret).encode()) if secret else self._own()
        except (HeadwayError, OSError) as error:
            if str(error) != self._said:
                log.warning("tenants' cache_salt has a key for this run alone: %s", error)
            self._said = str(error)
            return self._spare

    def _own(self) -> bytes:
        """Whole or not at all, and for nobody else to read."""
        if self._path.exists() and len(found := self._path.read_bytes()) == _BYTES:
            return found
        fresh = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._spare)
        fresh.replace(self._path)
        return self._spare


def _hashed(secret: bytes) -> bytes:
    """Of whatever length, as long as blake2b takes a key."""
    return hashlib.blake2b(secret, digest_size=_BYTES).digest()

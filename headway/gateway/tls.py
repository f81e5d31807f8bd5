"""The gateway's own certificate: read from files, and read again when they change.

A renewed certificate (cert-manager and certbot replace the files) serves the next handshake; connections that are open
keep theirs. A pair that cannot be used leaves the old one in use and says so once.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from headway.errors import ResourceError

__all__ = ["Certificate", "Identity"]

log = logging.getLogger("headway.gateway")


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the certificate with its chain, and its key without a passphrase."""

    chain: Path
    key: Path

    def check(self) -> None:
        """Raises ResourceError that says what is wrong."""
        for path in (self.chain, self.key):
            if not path.is_file():
                raise ResourceError(f"{path}: no such file", hint="name PEM files with --tls-cert and --tls-key")
        try:
            _context().load_cert_chain(self.chain, self.key, password=_refuse_to_ask)
        except (ssl.SSLError, OSError, ValueError) as error:
            hint = "give the PEM certificate chain, and the key that belongs to it, without a passphrase"
            raise ResourceError(f"{self.chain}, {self.key}: not usable for TLS ({error})", hint=hint) from error

    def signature(self) -> tuple[tuple[int, int, int], ...]:
        """Another one when a file has changed."""
        found = []
        for path in (self.chain, self.key):
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
        return tuple(found)


class Identity:
    """One worker's TLS context. `look` follows the files."""

    def __init__(self, certificate: Certificate) -> None:
        self.context = _context()
        self._certificate = certificate
        self._seen = certificate.signature()
        self._said = ""
        certificate.check()
        self.context.load_cert_chain(certificate.chain, certificate.key)

    def look(self) -> None:
        """Use the files' present content, if it changed."""
        seen = self._certificate.signature()
        if seen == self._seen:
            return
        try:
            self._certificate.check()
            self.context.load_cert_chain(self._certificate.chain, self._certificate.key)
        except (ResourceError, ssl.SSLError, OSError) as error:  # half-written: the next look finds it whole
            if str(error) != self._said:
                log.warning("the certificate in use stays: %s", error)
            self._said = str(error)
        else:
            self._seen, self._said = seen, ""
            log.info("the certificate was renewed")


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _refuse_to_ask() -> bytes:
    raise ValueError("the key has a passphrase")

"""TLS to engines: whom an endpoint is believed to be, and who we are to it.

Without anything said an https endpoint is verified against the system's roots, under its URL's host name. A context is
made once for all endpoints that say the same, and made anew when one of its files changes: connections that are opened
from then on go by the new one. Files that cannot be used leave the last good context in use.
"""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from headway.errors import ResourceError
from headway.gateway.table import EndpointTls

__all__ = ["Trust", "trust_of"]

log = logging.getLogger("headway.gateway")

LOOK_SECONDS = 1.0

_made: dict[EndpointTls, Trust] = {}


class Trust:
    """Raises ResourceError for files that cannot be used at the start."""

    def __init__(self, said: EndpointTls) -> None:
        self._said = said
        self._files = [Path(each) for each in (said.ca, said.cert, said.key) if each]
        self._seen, self._looked_at, self._told = self._signature(), 0.0, ""
        self._context = _make(said)

    def context(self, now: float) -> ssl.SSLContext:
        if self._files and now - self._looked_at > LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._context

    def _look(self) -> None:
        seen = self._signature()
        if seen == self._seen:
            return
        try:
            self._context, self._seen, self._told = _make(self._said), seen, ""
        except ResourceError as error:  # half-written: the next look finds it whole
            if str(error) != self._told:
                log.warning("the certificates in use stay: %s", error)
            self._told = str(error)
        else:
            log.info("certificates for engines were renewed: %s", ", ".join(map(str, self._files)))

    def _signature(self) -> list[tuple[int, int, int]]:
        found = []
        for path in self._files:
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((stat.st_mtime_ns, stat.st_ino, stat.st_size))
        return found


def trust_of(said: EndpointTls) -> Trust:
    """One for all that say the same: a context with the system's roots takes memory."""
    if (found := _made.get(said)) is None:
        found = _made[said] = Trust(said)
    return found


def _make(said: EndpointTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=said.ca or None)  # the system's roots; SSL_CERT_FILE is honoured
        if said.cert:
            context.load_cert_chain(said.cert, said.key or None, password=_refuse_to_ask)
    except (OSError, ssl.SSLError, ValueError) as error:
        files = ", ".join(each for each in (said.ca, said.cert, said.key) if each)
        hint = "give PEM files: `ca` certificates, `cert` and `key` without a passphrase"
        raise ResourceError(f"{files}: not usable for TLS to an engine ({error})", hint=hint) from error
    if said.verify == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _refuse_to_ask() -> bytes:
    raise ValueError("the key has a passphrase")

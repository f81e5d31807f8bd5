"""One endpoint at run time: its address, its idle connections, what runs on it, and whether it failed just
now.

An Upstream outlives the table that named it for as long as a request runs on it, so that draining can be
watched.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from headway.errors import SpecError
from headway.gateway.board import Section
from headway.gateway.frames import Load
from headway.gateway.link import Link
from headway.gateway.settings import Settings
from headway.gateway.table import Endpoint, EndpointTls
from headway.gateway.timers import Wheel
from headway.gateway.trust import trust_of
from headway.policy.ejection import EjectionRules, Health
from headway.policy.prefix import PrefixIndex
from headway.policy.routing import Host
from headway.policy.speed import Speed
from headway.wire.http import header

__all__ = ["Opening", "Upstream"]

_TOKEN_BYTES: Final = 4.0


class Opening(Protocol):
    """Who waits for a fresh connection hears exactly one of the two."""

    def opened(self, link: Link) -> None: ...
    def not_opened(self, reason: str) -> None: ...


class Recent:
    """Errors and requests of the last while: what they were when it began."""

    __slots__ = ("at", "errors", "total")

    def __init__(self) -> None:
        self.at, self.errors, self.total = 0.0, 0, 0


class Upstream(Host):
    """Raises SpecError for an address that cannot be one."""

    def __init__(
        self,
        endpoint: Endpoint,
        key: str,
        *,
        slot: int,
        settings: Settings,
        wheel: Wheel,
        section: Section,
        speed: Speed,
        left: Callable[[Upstream], None],
    ) -> None:
        super().__init__(endpoint.id, slot, speed, wheel.time())
        self.replica, self.key_name = endpoint.replica, endpoint.key
        self.replica_header = header("x-headway-replica", endpoint.replica)
        self.own_running = self.failures = 0  # of this worker, as `total` and `prefilled` are
        self._sent_by_others = 0
        self.tells_cached = False  # its answers say how much of a prompt it had cached
        self.health, self.troubled = Health(), False  # with cooling_until, as health has them
        self.errors = 0  # answers with 5xx
        self.recent = Recent()
        self.unreachable = False  # at its last failure nobody listened
        self.retired = False
        self._settings, self._wheel, self._section, self._left = settings, wheel, section, left
        self._idle: list[Link] = []
        self._host, self._port, tls, prefix, authority = _address(endpoint)
        self.address = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        said = endpoint.tls or EndpointTls()
        self._trust = trust_of(said) if tls else None
        self._server_name = said.server_name or self._host if tls else None
        bearer = f"authorization: Bearer {key}\r\n" if key else ""
        fixed = f"host: {authority}\r\naccept-encoding: identity\r\n{bearer}"
        self._prefix, self._fixed = prefix.encode(), fixed.encode("latin-1")

    def head(self, path: str, headers: bytes, length: int) -> bytes:
        """The head of a POST to this endpoint; `headers` name the content-type."""
        return b"POST %b%b HTTP/1.1\r\n%b%bcontent-length: %d\r\n\r\n" % (
            self._prefix,
            path.encode(),
            self._fixed,
            headers,
            length,
        )

    # connections

    def take(self) -> Link | None:
        """The idle connection used last: the others may grow old and be closed."""
        while self._idle:
            link = self._idle.pop()
            if not link.closing:
                return link
        return None

    def open(self, opening: Opening) -> asyncio.Task[None]:
        """Open a fresh connection; cancel the task to give up."""
        return asyncio.get_running_loop().create_task(self._open(opening))

    async def _open(self, opening: Opening) -> None:
        loop = asyncio.get_running_loop()
        tls = self._trust.context(loop.time()) if self._trust else None
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                _, link = await loop.create_connection(
                    lambda: Link(self._wheel, self._put, self._lost),
                    self._host,
                    self._port,
                    ssl=tls,
                    server_hostname=self._server_name,
                )
        except TimeoutError:
            opening.not_opened("timeout")
        except ConnectionRefusedError:
            opening.not_opened("refused")
        except ssl.SSLError as error:
            opening.not_opened(f"tls: {error.reason or error}")
        except (OSError, UnicodeError) as error:
            opening.not_opened(f"unreachable: {error}")
        else:
            opening.opened(link)

    def _put(self, link: Link) -> None:
        if self.retired or len(self._idle) >= self._settings.pool_idle_max:
            link.abort()
            return
        self._idle.append(link)
        self._wheel.set(link, self._wheel.time() + self._settings.pool_idle_seconds)

    def _lost(self, link: Link) -> None:
        if link in self._idle:
            self._idle.remove(link)

    # what happened

    def time(self) -> float:
        return self._wheel.time()

    def add(self, running: int, pending: int, context: int) -> None:
        """A change of the load that this worker puts on it."""
        super().add(running, pending, context)
        self.own_running += running
        self._section.add(self.slot, running, pending, context)

    def look(self, board: Sequence[Section], now: float) -> None:
        """Read what all workers put on it."""
        running = pending = context = sent = 0
        for section in board:
            one, two, three = section.read(self.slot)
            running += one
            pending += two
            context += three
            if section is not self._section:
                sent += section.sent(self.slot)
        if pending < self.pending_tokens or self.pending_tokens <= 0:
            self.prefilling_since = now  # another worker's prompt is whole, or the first
        if sent > self._sent_by_others:
            self.came(sent - self._sent_by_others, now)
        self._sent_by_others = sent
        self.running, self.pending_tokens, self.context_tokens = running, pending, context

    def hear(self, load: Load | None, now: float, index: PrefixIndex) -> None:
        """What the engine says of itself."""
        if load is None:
            return
        if self.troubled and self.unreachable:
            self.health.reachable(now)
            self.cooling_until = self.health.until
        mean = self.pending_tokens / max(1, self.running)
        self.elsewhere.heard(load.running, load.waiting, load.kv_used, ours=self.running, prompt=mean, now=now)
        if load.kv_tokens and load.kv_tokens != self.kv_tokens:
            self.kv_tokens = load.kv_tokens
            index.room(self.slot, load.kv_tokens * _TOKEN_BYTES)
        if load.adapters is not None:
            self.has_adapters(frozenset(load.adapters), now)

    def left_by_one(self) -> None:
        if self.retired and not self.own_running:
            self._left(self)

    def failed(self, now: float, rules: EjectionRules, *, ejected: int = 0, of: int = 1) -> bool:
        """A request was lost there. True: it is ejected now (see policy.ejection)."""
        self.failures += 1
        return self._follow(self.health.failed(now, rules, ejected=ejected, of=of))

    def eject(self, now: float, rules: EjectionRules, *, ejected: int, of: int) -> bool:
        return self._follow(self.health.eject(now, rules, ejected=ejected, of=of))

    def told(self, until: float) -> None:
        """Another worker says that it is ejected till then; 0 = that it is back."""
        if until:
            self.health.ejected_elsewhere(until)
        elif self.health.ejected:
            self.health = Health()
        self._follow(bool(until))

    def tried(self, now: float) -> None:
        """A request is sent to it while it is in trouble."""
        self.health.tried(now)
        self.cooling_until = self.health.until

    def worked(self, now: float) -> bool:
        """It answered after it had failed. True: it is back from an ejection, and begins slowly."""
        if back := self.health.worked(now):
            self.since = now
        self._follow(False)
        return back

    def _follow(self, ejected: bool) -> bool:
        self.troubled, self.cooling_until = self.health.troubled, self.health.until
        return ejected

    def retire(self) -> None:
        """The table names it no more: no new requests; those that run go on."""
        self.retired = True
        self.speed.retire()
        while self._idle:
            self._idle.pop().abort()


def _address(endpoint: Endpoint) -> tuple[str, int, bool, str, str]:
    try:
        url = urlsplit(endpoint.url)
        host, port = url.hostname, url.port
    except ValueError:
        host, port = None, None
    if host is None or url.scheme not in ("http", "https") or url.username is not None or url.query:
        raise SpecError(
            f"{endpoint.url!r} is not an address of an engine",
            hint="write http://host:port or https://host/prefix",
            field=f"endpoint {endpoint.id}",
        )
    tls = url.scheme == "https"
    return host, port or (443 if tls else 80), tls, url.path.rstrip("/"), url.netloc

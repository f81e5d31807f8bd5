"""Which of several operators works: the one that holds the Lease (kubernetes.io, "Leases").

A holder renews long before the Lease ends and stops working before others may take it. One that ends in order gives
it back; one that was killed comes back under its own name (a container restarts in the same pod) and has it at once;
only when its node is gone do the others wait for the Lease to end. That is rare and nobody waits for it: gateways and
replicas go on by themselves. So the Lease is long, and an idle operator writes less than once a minute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from headway.errors import HeadwayError
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["Claim", "Elector", "Terms"]

log = logging.getLogger(__name__)

LEASE = resource("Lease")


@dataclass(frozen=True, slots=True)
class Terms:
    """Seconds. `duration`: how long a Lease holds that is not renewed."""

    duration: float = 120.0

    @property
    def renew(self) -> float:
        return self.duration * 0.7

    @property
    def deadline(self) -> float:
        """A holder that could not renew for so long stops: clocks of different pace have the rest."""
        return self.duration * 0.9

    @property
    def retry(self) -> float:
        return min(5.0, self.duration / 15)


@dataclass(frozen=True, slots=True)
class Claim:
    """Another's Lease as we saw it last: `since` is our own clock's, for nobody's clocks agree."""

    version: str
    since: float


class Elector:
    """`identity`: the pod's name. Two processes never have the same one at the same time."""

    def __init__(self, cluster: Cluster, name: str, namespace: str, identity: str, terms: Terms) -> None:
        self._cluster, self._name, self._namespace = cluster, name, namespace
        self._identity, self._terms = identity, terms
        self._held: Manifest | None = None
        self._holder = ""
        self._other: Claim | None = None
        self._renewed = 0.0

    @property
    def leads(self) -> bool:
        return self._held is not None and time.monotonic() - self._renewed < self._terms.deadline

    async def acquire(self) -> None:
        """Return when the Lease is ours. The API server may be away: asked again until it answers."""
        told = ""
        while True:
            try:
                if await self._try():
                    return
                holder = f"{self._holder} holds the lease; standing by"
            except HeadwayError as error:
                holder = f"the lease cannot be had: {error}"
            if holder != told:
                log.info("%s", holder)
                told = holder
            await asyncio.sleep(self._terms.retry)

    async def keep(self, lost: Callable[[], None]) -> None:
        """Renew until cancelled; `lost` is called when the Lease is somebody else's or could not be renewed in time."""
        while True:
            await asyncio.sleep(self._terms.renew)
            while True:
                try:
                    if await self._try():
                        break
                    log.error("%s holds the lease now; this operator stops", self._holder)
                    return lost()
                except HeadwayError as error:
                    left = self._renewed + self._terms.deadline - time.monotonic()
                    log.warning("the lease could not be renewed (%s); %.0f s left", error, max(0.0, left))
                    if left <= self._terms.retry:
                        return lost()
                await asyncio.sleep(self._terms.retry)

    async def release(self) -> None:
        """Let the next one have it at once. Nothing is lost if this fails: the Lease ends by itself."""
        held, self._held = self._held, None
        if held is None:
            return
        spec = {**held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        try:
            await self._cluster.replace({**held, "spec": spec})
        except HeadwayError as error:
            log.warning("the lease was not given back (%s)", error)

    async def _try(self) -> bool:
        """One attempt to have or renew it. Raises what the API server's absence raises."""
        asked = time.monotonic()
        there = await self._cluster.get(LEASE, self._name, self._namespace)
        try:
            if there is None:
                metadata = {"name": self._name, "namespace": self._namespace}
                named = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata}
                held = await self._cluster.create({**named, "spec": self._wish({})})
            elif self._is_free(there):
                held = await self._cluster.replace({**there, "spec": self._wish(there.get("spec") or {})})
            else:
                self._held = None
                return False
        except ApiRefusal as refusal:
            if refusal.status == 409:  # another was quicker
                self._held = None
                return False
            raise
        self._held, self._other, self._renewed = held, None, asked
        return True

    def _is_free(self, there: Manifest) -> bool:
        spec, version = there.get("spec") or {}, there["metadata"]["resourceVersion"]
        self._holder = spec.get("holderIdentity") or ""
        if self._holder in ("", self._identity):
            return True
        if self._other is None or self._other.version != version:
            self._other = Claim(version, time.monotonic())
        return time.monotonic() - self._other.since > float(spec.get("leaseDurationSeconds") or self._terms.duration)

    def _wish(self, before: Manifest) -> Manifest:
        moves = int(bool(before) and before.get("holderIdentity") != self._identity)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._terms.duration)),
            "acquireTime": _now() if moves else before.get("acquireTime") or _now(),
            "renewTime": _now(),
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + moves,
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

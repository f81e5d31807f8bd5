"""Who leads, on a Lease that is kept in memory with the API server's rules: one version, one winner."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headway.control.operator.lease import Elector, Terms
from headway.errors import UnreachableError
from headway.wire.kube.cluster import ApiRefusal
from headway.wire.kube.manifest import Manifest

SHORT = Terms(duration=1.5)


class Leases:
    """What an Elector asks of a Cluster."""

    def __init__(self) -> None:
        self.lease: Manifest | None = None
        self.version = 0
        self.away = False
        self.writes = 0

    async def get(self, *_: Any) -> Manifest | None:
        if self.away:
            raise UnreachableError("away")
        return self.lease

    async def create(self, wanted: Manifest) -> Manifest:
        if self.lease is not None:
            raise ApiRefusal(409, "AlreadyExists", "it is there")
        return self._keep(wanted)

    async def replace(self, wanted: Manifest) -> Manifest:
        if self.away:
            raise UnreachableError("away")
        if self.lease is None or wanted["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiRefusal(409, "Conflict", "it was changed")
        return self._keep(wanted)

    def _keep(self, wanted: Manifest) -> Manifest:
        self.version += 1
        self.writes += 1
        self.lease = {**wanted, "metadata": {**wanted["metadata"], "resourceVersion": str(self.version)}}
        return self.lease


def elector(leases: Leases, identity: str, terms: Terms = SHORT) -> Elector:
    return Elector(leases, "headway-operator", "headway", identity, terms)  # type: ignore[arg-type]


async def test_the_first_leads_and_the_second_waits_for_its_end() -> None:
    leases = Leases()
    first, second = elector(leases, "one"), elector(leases, "two")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0)
    assert (first.leads, second.leads) == (True, False)
    await first.release()
    await waiting
    assert (first.leads, second.leads) == (False, True)
    assert leases.lease
    assert leases.lease["spec"]["leaseTransitions"] == 1


async def test_one_that_was_killed_has_it_again_at_once() -> None:
    leases = Leases()
    await elector(leases, "pod-1", Terms(3600.0)).acquire()
    async with asyncio.timeout(5):
        await elector(leases, "pod-1", Terms(3600.0)).acquire()
    assert leases.lease
    assert leases.lease["spec"]["leaseTransitions"] == 0


async def test_a_lease_that_nobody_renews_ends() -> None:
    leases = Leases()
    await elector(leases, "gone").acquire()
    async with asyncio.timeout(30):
        await elector(leases, "next").acquire()


async def test_who_cannot_renew_stops_before_others_may_begin() -> None:
    leases = Leases()
    first = elector(leases, "one")
    await first.acquire()
    leases.away = True
    lost = asyncio.Event()
    async with asyncio.timeout(30):
        await first.keep(lost.set)
    assert lost.is_set()
    assert SHORT.deadline < SHORT.duration


async def test_who_finds_another_holder_stops() -> None:
    leases = Leases()
    first = elector(leases, "one")
    await first.acquire()
    assert leases.lease
    leases.lease["spec"]["holderIdentity"] = "two"
    lost = asyncio.Event()
    async with asyncio.timeout(30):
        await first.keep(lost.set)
    assert lost.is_set()
    assert not first.leads


@pytest.mark.parametrize("duration", [120.0, 15.0, 2.0])
def test_it_is_renewed_in_time_and_by_default_less_than_once_a_minute(duration: float) -> None:
    terms = Terms(duration)
    assert terms.renew + 2 * terms.retry < terms.deadline < duration
    assert Terms().renew > 60

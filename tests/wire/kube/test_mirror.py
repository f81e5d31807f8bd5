"""A Mirror and a server that asks for patience, or tells of the past."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headway.wire.kube import mirror
from headway.wire.kube.cluster import ApiRefusal, Change, Listing
from headway.wire.kube.manifest import Manifest, Ref
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource

MODEL = Ref("headway.dev/v1alpha1", "Model", "team", "chat")


def chat(version: int) -> Manifest:
    metadata = {"name": "chat", "namespace": "team", "resourceVersion": str(version)}
    return {"apiVersion": MODEL.api_version, "kind": "Model", "metadata": metadata}


class Server:
    """`refuses`: statuses of the first lists."""

    def __init__(self, *refuses: int) -> None:
        self.refuses, self.lists = list(refuses), 0
        self.changes: asyncio.Queue[Change] = asyncio.Queue()

    async def list(self, *_: Any, **__: Any) -> Listing:
        self.lists += 1
        if self.refuses:
            raise ApiRefusal(self.refuses.pop(0), "", "storage is (re)initializing")
        return Listing([chat(5)], "5")

    async def watch(self, *_: Any, **__: Any) -> AsyncIterator[Change]:
        while True:
            yield await self.changes.get()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "FIRST_RETRY", 0.0)


async def test_a_kind_that_was_just_made_is_waited_for() -> None:
    server = Server(429, 503, 500)
    found = Mirror(server, resource("Model"), lambda _: None)  # type: ignore[arg-type]
    await found.open()
    await found.close()
    assert server.lists == 4
    assert MODEL in found.objects


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_no_patience_mends_is_raised(status: int) -> None:
    server = Server(status)
    with pytest.raises(ApiRefusal):
        await Mirror(server, resource("Model"), lambda _: None).open()  # type: ignore[arg-type]
    assert server.lists == 1


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "OPENS_WITHIN", -1.0)
    with pytest.raises(ApiRefusal):
        await Mirror(Server(429), resource("Model"), lambda _: None).open()  # type: ignore[arg-type]


async def test_the_end_of_one_of_the_same_name_does_not_take_the_next_away() -> None:
    server, told = Server(), asyncio.Event()
    found = Mirror(server, resource("Model"), lambda _: told.set())  # type: ignore[arg-type]
    await found.open()
    told.clear()
    found.note(chat(9))
    server.changes.put_nowait(Change("DELETED", chat(7)))
    await asyncio.wait_for(told.wait(), 10.0)
    assert found.objects[MODEL]["metadata"]["resourceVersion"] == "9"
    told.clear()
    server.changes.put_nowait(Change("DELETED", chat(11)))
    await asyncio.wait_for(told.wait(), 10.0)
    await found.close()
    assert MODEL not in found.objects

"""The hub's vault by itself, with a clock of the test's: who is told what, and what is never kept."""

from __future__ import annotations

import asyncio
import socket

import msgspec
import pytest

from headway.gateway.frames import Channel, Frame, Look, Looked, Shelve, Shelved
from headway.gateway.hub.vault import Vault, shelf_rules
from headway.policy.caching import CacheRule, CacheRules
from headway.policy.shelf import OVERHEAD
from tests.support.gateway import eventually

SHELF = "chat/responses"


class Told:
    """A worker that remembers what it is told."""

    def __init__(self) -> None:
        self.heard: list[Looked] = []

    def tell(self, frame: Frame) -> None:
        assert isinstance(frame, Looked)
        self.heard.append(frame)

    @property
    def roles(self) -> list[tuple[int, str, bool]]:
        return [(said.number, said.role, bool(said.found) and None not in said.found) for said in self.heard]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def kept(key: bytes = b"k", identity: str = "r1", body: bytes = b"said") -> Shelved:
    return Shelved(key, identity, b"content-type: text/plain\r\n", body, (3, 4))


def look(number: int, key: bytes = b"k", *identities: str, **more: object) -> Look:
    return Look(number, SHELF, b"f" + key, [key], list(identities or ("r1",)), **more)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(clock: Clock) -> Vault:
    made = Vault(clock)
    made.use(shelf_rules([("chat", CacheRules(CacheRule(size=100_000, ttl=60)))]))
    return made


def test_what_one_worker_brings_all_find_until_it_is_too_old(vault: Vault, clock: Clock) -> None:
    one, two = Told(), Told()
    vault.look(one, look(1))
    vault.shelve(one, Shelve(1, SHELF, [kept()]))
    clock.now += 60
    vault.look(two, look(1))
    assert two.heard[0].found == [kept()]
    assert two.heard[0].age == 60
    clock.now += 0.1
    vault.look(two, look(2))
    assert two.roles == [(1, "go", True), (2, "lead", False)]


def test_only_what_is_served_now_is_found(vault: Vault) -> None:
    one = Told()
    vault.shelve(one, Shelve(0, SHELF, [kept(identity="r1")]))
    vault.look(one, look(1, b"k", "r2"))
    vault.look(one, look(2, b"k", "r1", "r2"))
    vault.look(one, look(3, b"other"))
    assert one.roles == [(1, "lead", False), (2, "go", True), (3, "lead", False)]


def test_an_answer_that_is_too_old_for_its_caller_is_not_found(vault: Vault, clock: Clock) -> None:
    one = Told()
    vault.shelve(one, Shelve(0, SHELF, [kept()]))
    clock.now += 30
    vault.look(one, look(1, youngest=29.0))
    vault.look(one, look(2, youngest=30.0))
    assert one.roles == [(1, "lead", False), (2, "go", True)]


def test_those_who_wait_get_what_the_leader_brings(vault: Vault) -> None:
    one, two = Told(), Told()
    vault.look(one, look(1))
    vault.look(two, look(1))
    vault.look(one, look(2))
    vault.look(two, look(2, waits=False))
    assert two.roles == [(1, "wait", False), (2, "go", False)]
    vault.shelve(one, Shelve(1, SHELF, [kept()]))
    assert two.roles[2:] == [(1, "go", True)]
    assert one.roles == [(1, "lead", False), (2, "wait", False), (2, "go", True)]


def test_a_leader_that_brings_nothing_lets_all_go(vault: Vault) -> None:
    """What cannot be kept once cannot be kept the next time: nobody else waits for it in vain."""
    one = Told()
    for number in (1, 2, 3):
        vault.look(one, look(number))
    vault.shelve(one, Shelve(1, SHELF, []))
    assert one.roles[3:] == [(2, "go", False), (3, "go", False)]


def test_a_leader_that_fails_is_followed_by_the_next(vault: Vault) -> None:
    one, two = Told(), Told()
    vault.look(one, look(1))
    vault.look(two, look(1))
    vault.look(two, look(2))
    vault.shelve(one, Shelve(1, SHELF, [], again=True))
    assert two.roles == [(1, "wait", False), (2, "wait", False), (1, "lead", False)]
    vault.gone(two)
    vault.look(one, look(2))
    assert one.roles[-1] == (2, "lead", False), "nobody waits for a worker that is dead"


def test_a_worker_that_dies_takes_nobody_with_it(vault: Vault) -> None:
    one, two = Told(), Told()
    for number in (1, 2):
        vault.look(one, look(number))
    for number in (1, 2):
        vault.look(two, look(number))
    vault.gone(one)
    assert two.roles == [(1, "wait", False), (2, "wait", False), (1, "lead", False)]
    vault.shelve(two, Shelve(1, SHELF, [kept()]))
    assert two.roles[-1] == (2, "go", True)


def test_a_new_table_takes_shelves_away_and_makes_them_smaller(vault: Vault) -> None:
    one = Told()
    for number in range(10):
        vault.shelve(one, Shelve(0, SHELF, [kept(b"%d" % number, body=bytes(9000))]))
    (before,) = vault.figures()
    assert (before.model, before.cache, before.entries) == ("chat", "responses", 9)
    assert before.bytes <= 100_000
    smaller = CacheRule(size=50_000, ttl=60)
    vault.use(shelf_rules([("chat", CacheRules(smaller, smaller)), ("plain", None)]))
    assert [(each.cache, each.entries, each.evicted) for each in vault.figures()] == [
        ("responses", 50_000 // (9000 + OVERHEAD), 6),
        ("embeddings", 0, 0),
    ]
    vault.use({})
    assert vault.figures() == []
    vault.look(one, look(1))
    vault.shelve(one, Shelve(1, SHELF, [kept()]))
    assert one.roles == [(1, "lead", False)]


async def test_what_is_too_old_leaves_memory_though_nobody_asks(
    vault: Vault, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.gateway.hub.vault.SWEEP_SECONDS", 0)
    vault.shelve(Told(), Shelve(0, SHELF, [kept()]))
    sweeping = asyncio.create_task(vault.run())
    clock.now += 61
    await eventually(lambda: not vault.figures()[0].entries)
    assert vault.figures()[0].expired == 1
    sweeping.cancel()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
async def test_what_a_worker_was_killed_in_the_middle_of_is_not_kept(share: float) -> None:
    """Its end of the channel just ends, anywhere in a frame."""
    heard: list[Frame] = []
    gone = asyncio.Event()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    await asyncio.get_running_loop().create_connection(lambda: Channel(heard.append, gone.set), sock=ours)
    whole = msgspec.msgpack.encode(Shelve(1, SHELF, [kept(body=bytes(50_000))]))
    frame = len(whole).to_bytes(4, "big") + whole
    theirs.sendall(frame + frame[: int(share * len(frame))])
    theirs.close()
    async with asyncio.timeout(5):
        await gone.wait()
    assert len(heard) == 1

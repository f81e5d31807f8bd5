"""Gateways that share a ledger, without gateways around them: one case at a time, over both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headway.errors import UnreachableError
from headway.policy.budget import Amounts, Limit
from headway.store.connection import AnyDatabase, Connection
from headway.store.database import Database
from headway.store.pool import LOST_SECONDS
from headway.store.postgres import Postgres
from headway.store.purse import TenantPurse
from tests.support.host import NOW, Host, set_clock
from tests.support.postgres import PostgresServer
from tests.support.tenants import ARule

DAY_TOKENS = Limit.DAY_TOKENS


class Away:
    """A database that can be cut off from one gateway, before a commit or after it."""

    shared = True

    def __init__(self, inner: AnyDatabase) -> None:
        self.inner, self.clock = inner, inner.clock
        self.cut = ""

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        if self.cut == "before":
            raise UnreachableError("cut off")
        with self.inner.transaction() as connection:
            yield connection
        if self.cut == "after":
            raise UnreachableError("nobody knows")

    def rows(self, query: str, *values: object) -> list[object]:
        if self.cut:
            raise UnreachableError("cut off")
        return self.inner.rows(query, *values)

    def close(self) -> None:
        """The inner one is another's."""


Make = Callable[[str], Host]


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """`make(name)`: one more gateway on the same ledger. Each has a connection of its own."""
    place = request.getfixturevalue("postgres").create() if request.param == "postgres" else ""
    made: list[tuple[Host, AnyDatabase]] = []

    def one(name: str) -> Host:
        folder = tmp_path / name
        folder.mkdir()
        database: AnyDatabase = Postgres(place) if place else Database(tmp_path / "db")
        database.shared = True  # type: ignore[misc]
        set_clock(database, NOW)
        host = Host(folder, Away(database), name)  # type: ignore[arg-type]
        made.append((host, database))
        return host

    yield one
    for host, database in made:
        host.close()
        database.close()


def cut(host: Host, how: str) -> None:
    host.database.cut = how  # type: ignore[attr-defined]


def pass_time(hosts: list[Host], seconds: float, *, ticking: list[Host] | None = None) -> None:
    """Second by second; those of `ticking` settle in each."""
    for _ in range(int(seconds)):
        for host in hosts:
            host.monotonic += 1
        for host in hosts if ticking is None else ticking:
            host.tick()


def work(purse: TenantPurse, need: int, host: Host, limit: Limit = DAY_TOKENS) -> bool:
    """One request, if it is admitted."""
    if purse.headroom(limit) < need:
        purse.want(limit, need)
        return False
    purse.want(limit, 0)
    amounts = Amounts(1, 1, need)
    purse.reserve(amounts)
    purse.settle(amounts, need, 0)
    return True


def test_a_budget_is_spent_to_the_last_token_wherever_it_lies(make: Make) -> None:
    hosts = [make("a"), make("b")]
    for host in hosts:
        host.limit(ARule(day_tokens=1000))
    purses = [(host, host.worker()) for host in hosts for _ in range(2)]
    used = 0
    for turn in range(600):
        host, purse = purses[turn % 4]
        used += 7 * work(purse, 7, host)
        for each in hosts:
            each.monotonic += 0.1
            each.tick()
        for _, each_purse in purses:
            each_purse.give_back()
        if used + 7 > 1000:
            break
    assert used == 994
    for each in hosts:
        each.tick()
    assert hosts[0].tokens() == 994


def test_a_minute_of_requests_is_shared(make: Make) -> None:
    """Bound: limit * (1 + T / 60) over both, wherever they come."""
    hosts = [make("a"), make("b")]
    for host in hosts:
        host.limit(ARule(rpm=60))
    purses = [host.worker() for host in hosts]
    admitted: list[int] = []
    for second in range(180):
        count = 0
        for host, purse in zip(hosts, purses, strict=True):
            host.monotonic += 1
            host.tick()
            purse.give_back()
            asking = 5 if host is hosts[0] or 60 <= second < 90 else 0
            while asking and work(purse, 1, host, Limit.RPM):
                count += 1
        admitted.append(count)
    assert 225 <= sum(admitted) <= 60 * (1 + 180 / 60)
    worst = max(
        sum(admitted[begin:end]) - 60 * (1 + (end - begin) / 60) for begin in range(180) for end in range(begin, 181)
    )
    assert worst <= 0


def test_requests_at_once_are_shared(make: Make) -> None:
    hosts = [make("a"), make("b")]
    for host in hosts:
        host.limit(ARule(parallel=3))
    purses = [host.worker() for host in hosts]
    running = 0
    for turn in range(60):
        for host, purse in zip(hosts, purses, strict=True):
            host.monotonic += 0.3
            host.tick()
            purse.give_back()
            if turn < 50 and purse.headroom(Limit.PARALLEL) >= 1:
                purse.reserve(Amounts(1, 1, 1))
                running += 1
            else:
                purse.want(Limit.PARALLEL, 1)
            assert running <= 3
    assert running == 3


def test_who_is_lost_is_charged_what_it_held_and_no_more(make: Make) -> None:
    lost, other = make("lost"), make("other")
    for host in (lost, other):
        host.limit(ARule(day_tokens=1000))
    theirs, ours = lost.worker(), other.worker()
    pass_time([lost, other], 3)
    assert work(theirs, 20, lost)
    theirs.reserve(Amounts(1, 1, min(20, theirs.headroom(DAY_TOKENS))))
    pass_time([lost, other], 2)
    holds = theirs.headroom(DAY_TOKENS) + 20
    assert 20 <= holds <= 20 + 1000 // 10, "what runs, and a cushion"
    pass_time([lost, other], LOST_SECONDS - 5, ticking=[other])
    assert other.tokens() == 20, "not yet"
    pass_time([lost, other], 10, ticking=[other])
    assert other.tokens() == 20 + holds
    ours.want(DAY_TOKENS, 1000 - 20 - holds)
    pass_time([lost, other], 3, ticking=[other])
    assert ours.headroom(DAY_TOKENS) == 1000 - 20 - holds, "all else can be had"
    # It lives after all: what it holds is paid for, and it goes on.
    theirs.settle(Amounts(1, 1, 20), 20, 0)
    lost.tick(2)
    assert other.tokens() == 20 + holds
    assert lost.treasury.workers()
    ours.want(DAY_TOKENS, 0)


def test_after_an_outage_nobody_is_taken_for_lost(make: Make) -> None:
    hosts = [make("a"), make("b")]
    for host in hosts:
        host.limit(ARule(day_tokens=1000))
    purses = [host.worker() for host in hosts]
    pass_time(hosts, 5)
    for host in hosts:
        cut(host, "before")
    for _ in range(100):
        for host in hosts:
            host.monotonic += 1
            with pytest.raises(UnreachableError):
                host.tick()
    for host in hosts:
        cut(host, "")
    assert work(purses[0], 5, hosts[0])
    hosts[0].tick()
    pass_time(hosts, 2)
    assert hosts[0].tokens() == 5


def test_a_commit_that_nobody_knows_of_lends_nothing_twice(make: Make) -> None:
    host = make("a")
    host.limit(ARule(day_tokens=1000))
    purse = host.worker()
    pass_time([host], 1)
    assert work(purse, 10, host)
    purse.want(DAY_TOKENS, 600)
    cut(host, "after")
    with pytest.raises(UnreachableError):
        host.tick()
    cut(host, "")
    assert purse.headroom(DAY_TOKENS) < 600, "the file was not told"
    pass_time([host], 1)
    assert purse.headroom(DAY_TOKENS) >= 600
    with host.ledger.books(host.now) as books:
        assert (books.spent("team", DAY_TOKENS), books.held("team", DAY_TOKENS)) == (10, purse.headroom(DAY_TOKENS))


def test_a_database_that_is_an_older_copy_learns_anew_who_holds_what(make: Make) -> None:
    host = make("a")
    host.limit(ARule(day_tokens=1000))
    purse = host.worker()
    pass_time([host], 2)
    assert work(purse, 30, host)
    host.tick()
    with host.database.transaction() as connection:  # the copy is from before this gateway came
        for table in ("holders", "settled", "leases", "gateways", "shares", "buckets", "accounts"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
    cut(host, "before")
    with pytest.raises(UnreachableError):
        pass_time([host], 2)
    cut(host, "")
    pass_time([host], 2)
    with host.ledger.books(host.now) as books:
        assert books.held("team", DAY_TOKENS) == purse.headroom(DAY_TOKENS) > 0
    assert work(purse, 20, host)
    host.tick(2)
    assert host.tokens() == 20, "what was spent after the copy was made is forgotten with it"


def test_who_ends_politely_leaves_nothing(make: Make) -> None:
    host = make("a")
    host.limit(ARule(day_tokens=1000, rpm=5))
    host.worker()
    pass_time([host], 3)
    host.treasury.bury(host.treasury.workers()[0], host.now)
    host.treasury.leave()
    for table in ("holders", "settled", "leases", "gateways", "shares"):
        assert host.database.rows(f"SELECT * FROM {table}") == []  # noqa: S608


def test_a_newer_schema_is_left_alone(postgres: PostgresServer) -> None:
    place = postgres.create()
    older, newer = Postgres(place), Postgres(place, ("CREATE TABLE a (x BIGINT)", "CREATE TABLE b (x BIGINT)") * 2)
    newer._migrations = ("SELECT 1",) * 9
    newer.rows("SELECT 1 AS one")
    with pytest.raises(Exception, match="written by a newer Headway"):
        older.rows("SELECT 1 AS one")
    newer.close()
    older.close()

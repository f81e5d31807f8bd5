"""Two gateways, each a process tree of its own, and one ledger on a real PostgreSQL: whoever is killed or stopped, a
budget is never overshot, and nothing hangs."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from headway.gateway.table import ModelRoute, TenantRule
from tests.gateway.conftest import Start
from tests.support.gateway import Answer, GatewayProcess, answers, ask, endpoint, eventually, key_for, streams
from tests.support.gateway import Truncated as TruncatedAnswer
from tests.support.postgres import PostgresServer, start_postgres

ACME, ACME_KEY = key_for("acme")
BEARER = [f"authorization: Bearer {ACME}"]
COST = 102  # tokens of each request: as much as is reserved for it, so that the budget is for exactly 100
BUDGET = 100 * COST
MARK, NUMBERS = secrets.token_hex(4), itertools.count()  # whose requests they are: ports are used again, by anybody


class Site:
    """Gateways in front of one engine, which counts what it answered."""

    def __init__(self, folder: Path, ledger: str, engine: Any, rule: TenantRule, workers: int = 2) -> None:
        self.folder, self.ledger, self.engine, self.rule, self.workers = folder, ledger, engine, rule, workers
        self.live: list[GatewayProcess] = []
        engine.answered = Counter()

    def add(self, name: str) -> GatewayProcess:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "gateway.log").unlink(missing_ok=True)
        model = ModelRoute("chat", endpoints=(endpoint(self.engine.url),))
        more = ("--ledger", self.ledger)
        made = GatewayProcess(folder, model, workers=self.workers, tenants=(self.rule,), keys=(ACME_KEY,), more=more)
        self.live.append(made)
        return made

    def close(self) -> None:
        for each in self.live:
            each.stop()

    @property
    def used(self) -> int:
        return int(self.engine.answered.total()) * COST

    def tell(self) -> str:
        """When there were more than may be: which the engine had twice, and what the gateways said."""
        twice = {each: times for each, times in self.engine.answered.items() if times > 1}
        said = "\n".join(f"{live.folder.name}: {live.log.read_text()[-2000:]}" for live in self.live)
        return f"{self.engine.answered.total()} answered, {self.spent()} charged, twice: {twice}\n{said}"

    def spent(self) -> int:
        """Of today, by the ledger."""
        with psycopg.connect(self.ledger) as connection:
            query = "SELECT tokens FROM accounts WHERE tenant = 'acme' AND period = 'day'"
            row = connection.execute(query).fetchone()
        return int(row[0]) if row else 0


def kill_whole(live: GatewayProcess) -> None:
    """The hub and its workers at once, as when a host dies."""
    hub = psutil.Process(live.child.pid)
    tree = [hub, *hub.children(recursive=True)]
    for each in tree:
        each.suspend()
    for each in tree:
        each.kill()
    live.child.wait()


Sited = Callable[..., Awaitable[Site]]


@pytest.fixture
async def site(tmp_path: Path, engine: Start, postgres: PostgresServer) -> AsyncIterator[Sited]:
    made: list[Site] = []

    async def make(rule: TenantRule, ledger: str = "", workers: int = 2) -> Site:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        usage = b'{"prompt_tokens":99,"completion_tokens":3}'

        async def counted(asked: Any, peer: Any) -> None:
            if asked.headers["x-request-id"].startswith(MARK):
                peer.engine.answered[asked.headers["x-request-id"]] += 1
            if asked.json.get("stream"):
                await streams("a", "b", "c", tail=b'data: {"choices":[],"usage":%b}\n\n' % usage)(asked, peer)
            else:
                await answers(b'{"choices":[{"message":{"content":"abc"}}],"usage":%b}' % usage)(asked, peer)

        made.append(Site(folder, ledger or postgres.create(), await engine(counted), rule, workers))
        return made[-1]

    yield make
    for each in made:
        each.close()


async def one(live: GatewayProcess, *, stream: bool = False, deadline: float = 20) -> Answer | None:
    """None: it was killed under us."""
    try:
        headers = [*BEARER, f"x-request-id: {MARK}-{next(NUMBERS)}"]
        return await ask(live.port, headers=headers, stream=stream, max_tokens=3, deadline=deadline)
    except (ConnectionError, TruncatedAnswer):
        return None


async def race(site: Site, clients: int, harm: Callable[[], None] | None = None) -> Counter[str]:
    """So many callers at once over all gateways, each until it is told that the budget is spent, or was answered."""
    told: Counter[str] = Counter()

    async def caller(number: int) -> None:
        live = site.live[number % len(site.live)]
        for _ in range(8):
            answer = await one(live, stream=bool(number % 3))
            code = "lost" if answer is None else answer.error["code"] if answer.status != 200 else "answered"
            if code != "rate_limit_exceeded":  # the rest is held by running requests: come again
                break
            await asyncio.sleep(0.1)
        told[code] += 1

    async def harmful() -> None:
        await eventually(lambda: told.total() >= clients // 8)
        if harm is not None:
            harm()

    await asyncio.gather(*(caller(number) for number in range(clients)), harmful())
    return told


async def test_two_gateways_spend_one_budget_to_the_last_request(site: Sited) -> None:
    two = await site(TenantRule("acme", day_tokens=BUDGET))
    two.add("a")
    two.add("b")
    told = await race(two, 200)
    assert set(told) <= {"answered", "insufficient_quota", "rate_limit_exceeded"}
    assert two.used <= BUDGET
    for _ in range(100):  # what was left over by the crowd, a late caller gets: wherever it comes, wherever it lay
        for live in two.live:
            answer = await one(live)
            told["answered"] += answer is not None and answer.status == 200
        if two.used == BUDGET:
            break
        await asyncio.sleep(0.1)
    assert (two.used, told["answered"]) == (BUDGET, 100)
    await eventually(lambda: two.spent() == BUDGET)
    records = [record for live in two.live for record in (await live.records()).records if record.status == 200]
    assert {record.charge.held_tokens for record in records if record.charge} == {COST}


@pytest.mark.parametrize("victim", ["worker", "gateway"])
async def test_a_budget_holds_whoever_is_killed(site: Sited, victim: str) -> None:
    two = await site(TenantRule("acme", day_tokens=BUDGET))
    first, second = two.add("a"), two.add("b")

    def kill() -> None:
        if victim == "worker":
            psutil.Process(first.child.pid).children()[0].kill()
        else:
            kill_whole(first)

    told = await race(two, 200, kill)
    assert two.used <= BUDGET, two.tell()
    if victim == "gateway":
        again = two.add("a")  # at the same place: what the dead left behind is settled to the request
        assert (await one(again)) is not None
    await eventually(lambda: two.spent() >= two.used)
    assert two.spent() <= BUDGET, two.tell()
    assert told["answered"] > 0
    assert (await one(second)) is not None, "the other one serves on"


async def test_rates_and_requests_at_once_hold_over_both(site: Sited) -> None:
    two = await site(TenantRule("acme", rpm=20))
    two.add("a")
    two.add("b")
    for live in two.live:
        assert (await one(live)) is not None
    got = await asyncio.gather(*(one(two.live[number % 2]) for number in range(60)))
    answered = 2 + sum(each is not None and each.status == 200 for each in got)
    assert 15 <= answered <= 23, "20, and one every 3 s; of the last ones a part lies at the other gateway"
    assert {each.error["code"] for each in got if each is not None and each.status != 200} == {"rate_limit_exceeded"}


@pytest.fixture
def own_postgres() -> AsyncIterator[PostgresServer]:
    """One that may be killed."""
    yield from start_postgres()  # type: ignore[misc]


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_database_that_is_away(site: Sited, own_postgres: PostgresServer, how: str) -> None:
    """What is leased is used up, then tenants are told; who has no limits is served on; then all is as before."""
    two = await site(TenantRule("acme", day_tokens=BUDGET), own_postgres.create(), workers=1)
    two.add("a")
    two.add("b")
    for live in two.live:
        answer = await one(live)
        assert answer is not None
        assert answer.status == 200
    (own_postgres.freeze if how == "stopped" else own_postgres.kill)()
    got = await asyncio.gather(*(one(two.live[number % 2], deadline=15) for number in range(120)))
    codes = Counter("answered" if each.status == 200 else each.error["code"] for each in got if each is not None)
    assert sum(codes.values()) == 120, "everybody got an answer"
    assert codes["limits_unavailable"] > 0
    assert set(codes) <= {"answered", "limits_unavailable", "rate_limit_exceeded"}
    assert two.used <= BUDGET
    await eventually(lambda: any(b"limits cannot be settled" in live.log.read_bytes() for live in two.live), 15)
    if how == "stopped":
        own_postgres.thaw()
    else:
        own_postgres.start()

    async def served_again() -> bool:
        answer = await one(two.live[0])
        return answer is not None and answer.status == 200

    await eventually(served_again, 30)
    await eventually(lambda: two.spent() == two.used, 30)
    assert two.used <= BUDGET


async def test_a_gateway_that_starts_without_its_database(site: Sited, own_postgres: PostgresServer) -> None:
    ledger = own_postgres.create()
    own_postgres.kill()
    late = await site(TenantRule("acme", day_tokens=BUDGET), ledger, workers=1)
    live = late.add("a")
    answer = await one(live)
    assert answer is not None
    assert (answer.status, answer.error["code"]) == (503, "limits_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    own_postgres.start()

    async def served() -> bool:
        found = await one(live)
        return found is not None and found.status == 200

    await eventually(served, 30)


async def test_a_ledger_in_a_file_is_one_gateways_own(site: Sited, tmp_path: Path) -> None:
    two = await site(TenantRule("acme", day_tokens=BUDGET), str(tmp_path / "ledger.db"), workers=1)
    first, second = two.add("a"), two.add("b")
    other: GatewayProcess | None = None
    for live in (first, second):  # whichever was the first to open it
        answer = await one(live)
        assert answer is not None
        if answer.status != 200:
            assert (answer.status, answer.error["code"]) == (503, "limits_unavailable")
            other = live
    assert other is not None, "one of them has it, not both"
    owner = first if other is second else second
    said = f"ledger.db: is the ledger of another gateway (process {owner.child.pid})"
    assert said in other.log.read_text()
    kill_whole(owner)

    async def served() -> bool:
        found = await one(other)
        return found is not None and found.status == 200

    await eventually(served, 20)
    assert two.engine.answered.total() == 2, "and what the first one charged is there"


async def test_no_password_is_shown(tmp_path: Path) -> None:
    from headway.gateway.__main__ import main  # noqa: PLC0415
    from headway.store.ledger_place import open_place  # noqa: PLC0415

    shown = "postgresql://u:hunter2@127.0.0.1:1/x"
    assert main(["--table", str(tmp_path / "t"), "--port", "0", "--ledger", shown]) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADWAY_SECRET_LEDGER_URL", shown)
        with pytest.raises(Exception, match=r"postgresql://u@127\.0\.0\.1:1/x") as failed:
            open_place("secret:ledger/url").rows("SELECT 1")
        assert "hunter2" not in str(failed.value)
        patch.setenv("HEADWAY_SECRET_LEDGER_URL", "postgresql://u:hunter2@[x/y?z=hunter2")
        with pytest.raises(Exception, match="cannot be read") as failed:
            open_place("secret:ledger/url")
        assert "hunter2" not in str(failed.value)


async def test_a_hub_that_is_stopped_in_the_middle_does_not_stop_the_others(site: Sited) -> None:
    two = await site(TenantRule("acme", day_tokens=BUDGET), workers=1)
    first, second = two.add("a"), two.add("b")
    assert (await one(first)) is not None
    os.kill(first.child.pid, signal.SIGSTOP)
    try:

        async def served() -> bool:
            found = await one(second)
            return found is not None and found.status == 200

        await eventually(served, 20)
    finally:
        os.kill(first.child.pid, signal.SIGCONT)
    assert two.used <= BUDGET

"""Whose answers a cache gives: of which tenant, which revision, and within which budget."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from headway.gateway.table import ModelRoute, TenantRule, TokenPrice
from headway.policy.caching import CacheRule, CacheRules
from tests.gateway.conftest import Start
from tests.support.caches import (
    ACME,
    ACME_KEY,
    ANSWERS,
    OTHER,
    OTHER_KEY,
    THIRD,
    THIRD_KEY,
    counting,
    fared,
    is_empty,
    is_used,
    repeat,
    running,
    said,
)
from tests.support.gateway import (
    Asked,
    Peer,
    answer_bytes,
    bearer,
    completion,
    endpoint,
    eventually,
    route,
)


async def test_tenants_never_get_each_others_answers(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    tenants = TenantRule("acme"), TenantRule("other")
    keys = ACME_KEY, OTHER_KEY
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), tenants=tenants, keys=keys) as live:
        mine = [await repeat(live, headers=bearer(ACME)) for _ in range(3)]
        theirs = [await repeat(live, headers=bearer(OTHER)) for _ in range(3)]
        assert [said(each) for each in mine + theirs] == ["answer 1"] * 3 + ["answer 2"] * 3
        assert [fared(each) for each in theirs] == ["miss", "hit", "hit"]


async def test_answers_are_shared_where_the_file_and_both_tenants_say_so(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    keys = ACME_KEY, OTHER_KEY, THIRD_KEY
    shared = TenantRule("acme", answers="shared"), TenantRule("other", answers="shared"), TenantRule("third")
    model = route(endpoint(one.url), cache=CacheRules(CacheRule(shared=True)))
    async with running(tmp_path, model, tenants=shared, keys=keys, workers=1) as live:
        assert said(await repeat(live, headers=bearer(ACME))) == "answer 1"
        assert said(await repeat(live, headers=bearer(OTHER))) == "answer 1"
        assert said(await repeat(live, headers=bearer(THIRD))) == "answer 2", "it has not agreed to that"
        live.use(route(endpoint(one.url), cache=ANSWERS))
        await eventually(lambda: is_used(live, 2))
        assert said(await repeat(live, headers=bearer(OTHER))) == "answer 3", "the file says so no more"


async def test_a_tenant_may_have_nothing_kept(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    tenants = (TenantRule("acme", answers="none"),)
    model = route(endpoint(one.url), cache=ANSWERS)
    async with running(tmp_path, model, tenants=tenants, keys=(ACME_KEY,), workers=1) as live:
        assert [fared(await repeat(live, headers=bearer(ACME))) for _ in range(2)] == ["bypass", "bypass"]
        assert await is_empty(live)


async def test_a_hit_costs_a_request_and_nothing_else(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    price = TokenPrice(1_000_000, 1_000_000, 1_000_000)
    tenants = (TenantRule("acme", rpm=5, day_tokens=10_000, month_micros=1_000_000),)
    model = route(endpoint(one.url), cache=ANSWERS, price=price)
    async with running(tmp_path, model, tenants=tenants, keys=(ACME_KEY,), workers=1) as live:
        answers = [await repeat(live, headers=bearer(ACME), max_tokens=9) for _ in range(7)]
        assert [each.status for each in answers] == [200] * 5 + [429] * 2
        assert answers[-1].error["code"] == "rate_limit_exceeded"
        assert [fared(each) for each in answers[:5]] == ["miss"] + ["hit"] * 4
        assert live.stop() == 0
    with contextlib.closing(sqlite3.connect(live.socket.with_suffix(".ledger"))) as ledger:
        assert ledger.execute("SELECT tokens FROM accounts WHERE period = 'day'").fetchone() == (10,)


async def test_an_answer_that_a_budget_cut_short_is_not_given_to_one_that_has_more(
    tmp_path: Path, engine: Start
) -> None:
    """The gateway caps what has no max_tokens: the cap is a part of the question."""
    one = await engine(counting())
    model = route(endpoint(one.url), cache=CacheRules(CacheRule(shared=True)))
    tenants = TenantRule("acme", answers="shared", day_tokens=400), TenantRule("other", answers="shared")
    async with running(tmp_path, model, tenants=tenants, keys=(ACME_KEY, OTHER_KEY), workers=1) as live:
        assert said(await repeat(live, headers=bearer(ACME))) == "answer 1"
        assert "max_tokens" in one.asked[0].json
        assert said(await repeat(live, headers=bearer(OTHER))) == "answer 2"


async def test_another_revision_has_other_answers(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())

    def serving(revision: str) -> ModelRoute:
        place = endpoint(one.url)
        return route(type(place)(place.id, place.replica, revision, place.url), cache=ANSWERS)

    async with running(tmp_path, serving("r1")) as live:
        assert [said(await repeat(live)) for _ in range(2)] == ["answer 1"] * 2
        live.use(serving("r2"))
        await eventually(lambda: is_used(live, 2))
        assert [said(await repeat(live)) for _ in range(2)] == ["answer 2"] * 2
        live.use(route(endpoint(one.url)))
        await eventually(lambda: is_used(live, 3))
        assert fared(await repeat(live)) == ""


async def test_an_answer_that_was_under_way_while_the_revision_changed_is_not_kept(
    tmp_path: Path, engine: Start
) -> None:
    async def gated(asked: Asked, peer: Peer) -> None:
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion("old")))

    one = await engine(gated, counting())
    place = endpoint(one.url)
    async with running(tmp_path, route(place, cache=ANSWERS), workers=1) as live:
        old = asyncio.create_task(repeat(live))
        await eventually(lambda: len(one.asked) == 1)
        live.use(route(type(place)(place.id, place.replica, "r2", place.url), cache=ANSWERS))
        await eventually(lambda: is_used(live, 2))
        one.gate.set()
        assert said(await old) == "old"
        assert said(await repeat(live)) == "answer 1"

"""Admission: what may run, what is reserved for it, and what a caller is told who may not; leases shared out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.policy.admission import (
    DEFAULT_CAP,
    LEAST_CAP,
    NotYet,
    Refused,
    Request,
    Why,
    admit,
    allows,
    ceilings,
    out_of_scope,
    reserve_for,
)
from headway.policy.bucket import Bucket
from headway.policy.budget import Amounts, Limit, Move, Position, headroom, raised, share_out
from headway.policy.period import PERIODS, ends_in, start_of
from headway.policy.price import cost
from tests.support.tenants import APrice, ARule

NOW = datetime(2026, 11, 21, 22, tzinfo=UTC).timestamp()


@dataclass
class Standing:
    """A View: by limit (headroom, left, unspent); plenty of what is not named."""

    known: dict[Limit, tuple[int, int, int]] = field(default_factory=dict)

    def rooms(self) -> list[int]:
        return [self.known.get(limit, (10**9,) * 3)[0] for limit in Limit]

    def left(self, limit: Limit) -> int:
        return self.known.get(limit, (10**9,) * 3)[1]

    def unspent(self, limit: Limit) -> int:
        return self.known.get(limit, (10**9,) * 3)[2]


def ask(rule: ARule, amounts: Amounts, **known: tuple[int, int, int]) -> Refused | NotYet | None:
    view = Standing({Limit[name.upper()]: numbers for name, numbers in known.items()})
    return admit(rule, ceilings(rule), amounts, view, NOW)


def test_without_limits_all_is_admitted() -> None:
    assert ask(ARule(), Amounts(1, 1, 10**12, 10**12)) is None


@pytest.mark.parametrize(
    ("rule", "numbers", "told"),
    [
        (
            ARule(rpm=60),
            {"rpm": (0, 0, 5)},
            (Why.RATE, "rate_limit_exceeded", 1.0, "tenant team may use 60 requests a minute; try again in 1 s"),
        ),
        (
            ARule(tpm=600),
            {"tpm": (0, 40, 500)},
            (Why.RATE, "rate_limit_exceeded", 6.0, "tenant team may use 600 tokens a minute; try again in 6 s"),
        ),
        (
            ARule(tpm=50),
            {"tpm": (50, 50, 50)},
            (
                Why.TOO_LARGE,
                "rate_limit_exceeded",
                None,
                "tenant team may use 50 tokens a minute, and this request alone may need 100; lower max_tokens or "
                "shorten the prompt",
            ),
        ),
        (
            ARule(parallel=2),
            {"parallel": (0, 0, 2)},
            (Why.PARALLEL, "rate_limit_exceeded", 1.0, "tenant team may use 2 requests at once; try again in 1 s"),
        ),
        (
            ARule(day_tokens=1000),
            {"day_tokens": (0, 40, 140)},
            (
                Why.BUDGET_RESERVED,
                "rate_limit_exceeded",
                1.0,
                "tenant team has a budget of 1000 tokens a day; the rest of it is reserved by running requests; try "
                "again in 1 s",
            ),
        ),
        (
            ARule(day_tokens=1000),
            {"day_tokens": (0, 40, 40)},
            (
                Why.BUDGET_SPENT,
                "insufficient_quota",
                7200.0,
                "tenant team has a budget of 1000 tokens a day: 40 tokens are left, this request may need 100 tokens; "
                "a new day begins in 2 h",
            ),
        ),
        (
            ARule(month_micros=5_000_000),
            {"month_micros": (0, 10, 10)},
            (
                Why.BUDGET_SPENT,
                "insufficient_quota",
                (9 * 24 + 2) * 3600.0,
                "tenant team has a budget of 5 USD a month: 1e-05 USD are left, this request may need 0.007 USD; "
                "a new month begins in 218 h",
            ),
        ),
        (
            ARule(day_micros=5000),
            {},
            (
                Why.TOO_LARGE,
                "insufficient_quota",
                None,
                "tenant team has a budget of 0.005 USD a day, and this request alone may need 0.007 USD; lower "
                "max_tokens",
            ),
        ),
    ],
)
def test_what_a_caller_is_told(
    rule: ARule, numbers: dict[str, tuple[int, int, int]], told: tuple[Why, str, float | None, str]
) -> None:
    if rule.day_micros:
        numbers = {"day_micros": (0, 5000, 5000)}
    refused = ask(rule, Amounts(1, 1, 100, 7000), **numbers)
    if refused is None:
        pytest.fail("admitted")
    assert isinstance(refused, Refused)
    assert (refused.why, refused.code, refused.retry_after, refused.message) == told
    assert refused.status == 429


def test_a_short_lease_waits_for_the_hub() -> None:
    rule = ARule(day_tokens=1000, tpm=500)
    assert ask(rule, Amounts(1, 1, 100), day_tokens=(99, 100, 100)) == NotYet(Limit.DAY_TOKENS, 100)
    assert ask(rule, Amounts(1, 1, 100), day_tokens=(100, 100, 100)) is None
    both = ask(rule, Amounts(1, 1, 100), day_tokens=(99, 100, 100), tpm=(0, 0, 0))
    assert isinstance(both, Refused), "what cannot be had at all is told before anybody waits"


def test_scope() -> None:
    rule = ARule(models=("chat", "embed-*"))
    assert out_of_scope(rule, None, None, "chat", NOW) is None
    assert out_of_scope(rule, ("embed-*",), NOW + 1, "embed-small", NOW) is None
    key = out_of_scope(rule, ("chat",), None, "embed-small", NOW)
    tenant = out_of_scope(rule, ("*",), None, "other", NOW)
    assert key
    assert tenant
    assert (key.status, key.code, key.message) == (
        403,
        "model_not_allowed",
        "this key may not use the model 'embed-small'",
    )
    assert tenant.message == "tenant team may not use the model 'other'"
    late = out_of_scope(rule, None, NOW, "chat", NOW)
    assert late
    assert (late.why, late.status) == (Why.KEY_EXPIRED, 401)
    assert not allows((), "chat")
    assert allows(("chat-*",), "chat-a")
    assert not allows(("chat-*",), "chat")


def test_the_reserve_is_the_prompt_and_the_longest_answers() -> None:
    rule = ARule(tpm=10**6, day_micros=10**9)
    view, limits = Standing(), ceilings(rule)
    found = reserve_for(Request(1000, 500, choices=2), APrice(), limits, view)
    assert found.amounts == Amounts(1, 1, 2000, 150 + 600)
    assert found.cap is None
    assert reserve_for(Request(1000, None), None, ceilings(ARule(rpm=5)), view).cap is None, "nobody limits tokens"


def test_without_max_tokens_a_cap_is_applied_and_made_to_fit() -> None:
    free = reserve_for(Request(100), None, ceilings(ARule(tpm=10**6)), Standing())
    assert (free.cap, free.amounts.tokens) == (DEFAULT_CAP, 100 + DEFAULT_CAP)
    learned = reserve_for(Request(100), None, ceilings(ARule(tpm=10**6)), Standing(), usual_cap=300)
    assert learned.cap == 300
    small = reserve_for(Request(100), None, ceilings(ARule(tpm=1000)), Standing({Limit.TPM: (0, 0, 0)}))
    assert small.cap == 900, "the whole rate, not what a moment has left of it: answers are not cut because of a burst"
    end = reserve_for(
        Request(100, None, 2), None, ceilings(ARule(day_tokens=10**6)), Standing({Limit.DAY_TOKENS: (0, 500, 500)})
    )
    assert (end.cap, end.amounts.tokens) == (200, 500), "the last tokens of a budget are still usable"
    over = reserve_for(Request(100), None, ceilings(ARule(day_tokens=10**6)), Standing({Limit.DAY_TOKENS: (0, 50, 50)}))
    assert over.cap == LEAST_CAP


@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 10**9), st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_cap_never_makes_a_reserve_that_does_not_fit_if_a_shorter_one_would(
    prompt: int, choices: int, left: int, price_in: int, price_out: int
) -> None:
    rule, price = ARule(month_micros=10**10), APrice(price_in, price_in, price_out)
    view = Standing({Limit.MONTH_MICROS: (left, left, left)})
    found = reserve_for(Request(prompt, None, choices), price, ceilings(rule), view)
    assert found.cap is not None
    assert LEAST_CAP <= found.cap <= DEFAULT_CAP
    if cost(price, prompt, LEAST_CAP * choices) < left:
        assert found.amounts.micros <= left


def test_cost_is_rounded_up_once() -> None:
    assert cost(None, 10**9, 10**9) == 0
    assert cost(APrice(150_000, 75_000, 600_000), 1, 0) == 1
    assert cost(APrice(150_000, 75_000, 600_000), 1_000_000, 1_000_000) == 750_000
    assert cost(APrice(150_000, 75_000, 600_000), 1_000_000, 0, cached=400_000) == 120_000
    assert cost(APrice(0, 0, 600_000), 10**9, 0, cached=10**10) == 0


POSITIONS = st.lists(st.tuples(st.integers(-100, 1000), st.integers(0, 1000)), min_size=1, max_size=6).map(
    lambda found: [Position(number, *each) for number, each in enumerate(found)]
)


@given(st.integers(-1000, 3000), POSITIONS)
def test_what_is_shared_out_is_there_and_what_is_asked_is_idle(free: int, positions: list[Position]) -> None:
    moves = {each.worker: each for each in share_out(free, positions)}
    assert sum(each.grant for each in moves.values()) <= max(0, free)
    starved = any(each.short for each in positions) and not any(each.grant for each in moves.values())
    for each in positions:
        move = moves.get(each.worker)
        if move:
            assert move.grant >= 0
            assert 0 <= move.ask <= (each.headroom if starved and each.short else each.idle)
            assert not (move.grant and move.ask)
            assert each.short or each.wanted <= each.headroom - move.ask or not move.ask
    met = [each for each in positions if each.short and moves.get(each.worker) and moves[each.worker].grant]
    unmet = [each for each in positions if each.short and each not in met]
    if met and unmet:
        assert max(each.short for each in met) <= min(each.short for each in unmet), "the smallest needs first"
    if unmet:
        idle = sum(each.idle for each in positions)
        left = max(0, free) - sum(each.grant for each in moves.values())
        missing = max(0, sum(each.short for each in unmet) - left)
        asked, least = sum(each.ask for each in moves.values()), min(idle, missing + max(0, -free))
        assert asked >= least if starved else asked == least


def test_when_all_wait_and_nobody_has_enough_one_of_them_gets_it() -> None:
    """Two workers hold 68 each of a limit whose last 170 are to be used, and each waits for 102."""
    positions = [Position(0, 68, 102), Position(1, 60, 102)]
    assert share_out(0, positions) == [Move(1, ask=34)]
    assert share_out(34, [Position(0, 68, 102), Position(1, 26, 102)]) == [Move(0, grant=34)]


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_grant_is_what_the_worker_can_then_promise(mark: int, used: int, returned: int, grant: int) -> None:
    after = raised(mark, used, returned, grant)
    assert headroom(after, used, returned, 0) == headroom(mark, used, returned, 0) + grant
    assert after - used - returned >= grant


@given(st.integers(1, 6000), st.lists(st.tuples(st.floats(0, 90), st.integers(1, 6000)), min_size=1, max_size=60))
def test_a_bucket_never_gives_more_than_its_rate_and_one_minute(
    per_minute: int, takes: list[tuple[float, int]]
) -> None:
    bucket, now, taken = Bucket(per_minute, float(per_minute), 0.0), 0.0, 0
    for pause, wish in takes:
        now += pause
        amount = min(wish, bucket.refill(now, held=0))
        bucket.move(-amount)
        taken += amount
        assert taken <= per_minute * (1 + now / 60) + 1e-6
        assert bucket.level <= per_minute


def test_a_bucket_tells_how_long() -> None:
    bucket = Bucket(60, 0.0, 0.0)
    assert bucket.seconds_until(5) == 5.0
    assert bucket.refill(10.0, held=55) == 5, "what is held counts as in it"
    assert bucket.refill(5.0, held=0) == 5, "a clock that goes back refills nothing"
    bucket.resize(3)
    assert bucket.level == 3.0


@given(st.floats(0, 4e9))
def test_periods_follow_each_other(now: float) -> None:
    for period in PERIODS:
        end = ends_in(period, now)
        assert 0 < end <= (86_400 if period == "day" else 31 * 86_400)
        assert start_of(period, now) < start_of(period, now + end + 1e-3)
        assert start_of(period, now + max(0.0, end - 1)) == start_of(period, now)
    assert start_of("month", now) <= start_of("day", now)

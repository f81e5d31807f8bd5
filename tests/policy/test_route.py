"""Shares that stay with their users, the order of a Route, and the cheapest that meets an SLO."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headway.policy.route import Fallback, Match, RouteRule, RouteWhy, Slo, State, Target, first, following
from headway.policy.shares import shares

WEIGHTS = st.dictionaries(st.sampled_from("abcde"), st.just(0.0) | st.floats(0.01, 100), min_size=1)
POINTS = st.floats(0, 1, exclude_max=True)


@given(WEIGHTS, st.sets(st.sampled_from("abcde")))
def test_shares_are_the_weights(weights: dict[str, float], present: set[str]) -> None:
    there = {name: weight for name, weight in weights.items() if weight > 0 and name in present}
    found = shares(weights, present)
    assert (found is None) == (not there)
    if found is None:
        return
    total = sum(weight for weight in weights.values() if weight > 0)
    assert abs(sum(found.size(name) for name in there) - 1) < 1e-6
    for name, weight in there.items():
        assert found.size(name) >= weight / total - 1e-6


@given(WEIGHTS, POINTS, st.sampled_from("abcde"))
def test_who_leaves_moves_only_its_own_users(weights: dict[str, float], point: float, gone: str) -> None:
    before, after = shares(weights, weights), shares(weights, weights.keys() - {gone})
    if before is None or after is None:
        return
    edges = (*before.bounds, *after.bounds)
    if before.of(point) != gone and min(abs(edge - point) for edge in edges) > 1e-9:
        assert after.of(point) == before.of(point)
    assert after.of(point) != gone


def states(**known: State) -> object:
    return lambda name: known.get(name, State("unknown"))


RULE = RouteRule(
    "r",
    (Target("big"), Target("small")),
    match=(Match("x-team", "a", "special"),),
    fallback=(Fallback("small", on=("saturated",)), Fallback("provider"), Fallback("last")),
)
UP = State()


def test_match_goes_before_weights() -> None:
    at = states(big=UP, small=UP, special=UP)
    found = first(RULE, 0.2, {b"x-team": b"a"}, at, at)  # type: ignore[arg-type]
    assert [(each.model, each.why, each.taken) for each in found] == [("special", RouteWhy.MATCHED, True)]
    assert first(RULE, 0.2, {}, at, at)[-1].model == "big"  # type: ignore[arg-type]
    assert first(RULE, 0.7, {}, at, at)[-1].model == "small"  # type: ignore[arg-type]


def test_only_fallbacks_for_the_condition_that_can_answer() -> None:
    at = states(small=UP, provider=State(ready=False), last=State(saturated=True))
    found = following(RULE, "error", {"big"}, at)  # type: ignore[arg-type]
    assert [(each.model, each.why) for each in found] == [
        ("small", RouteWhy.NOT_FOR_THIS),
        ("provider", RouteWhy.NOT_READY),
        ("last", RouteWhy.SATURATED),
    ]
    assert following(RULE, "saturated", {"big"}, at)[-1].taken  # type: ignore[arg-type]
    assert following(RULE, "saturated", {"big", "small"}, at)[-1].taken is False  # type: ignore[arg-type]


CHEAP = RouteRule("r", (Target("dear"), Target("cheap"), Target("mid")), cheapest=True, slo=Slo(ttft=0.5))


def at_prices(**ttft: float) -> object:
    prices = {"dear": 900.0, "mid": 500.0, "cheap": 100.0}
    return states(**{name: State(micros=prices[name], ttft=each, itl=0.01) for name, each in ttft.items()})


def test_the_cheapest_that_meets_the_slo() -> None:
    at = at_prices(dear=0.1, mid=0.2, cheap=0.3)
    found = first(CHEAP, 0.0, {}, at, at)  # type: ignore[arg-type]
    assert (found[-1].model, found[-1].why) == ("cheap", RouteWhy.CHEAPEST)
    assert {each.model: each.why for each in found[:-1]} == {"mid": RouteWhy.DEARER, "dear": RouteWhy.DEARER}
    at = at_prices(dear=0.1, mid=0.2, cheap=0.6)
    found = first(CHEAP, 0.0, {}, at, at)  # type: ignore[arg-type]
    assert found[-1].model == "mid"
    assert found[0].why == RouteWhy.MISSES_SLO
    assert found[0].detail == "predicted ttft 0.6 s, itl 0.01 s"
    at = at_prices(dear=0.9, mid=0.8, cheap=0.6)
    found = first(CHEAP, 0.0, {}, at, at)  # type: ignore[arg-type]
    assert (found[-1].model, found[-1].why) == ("cheap", RouteWhy.FASTEST)

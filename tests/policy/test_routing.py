"""Which endpoint takes a request: what must hold for every load, and each policy's own rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.policy.routing import SLOW_START_SECONDS, Ask, Policy, Why, choose, cooldown, terms
from headway.policy.speed import Speed

POLICIES: list[Policy] = list(get_args(Policy))
NOW = 1000.0


@dataclass
class End:
    id: str
    running: int = 0
    pending: float = 0.0
    context: float = 0.0
    beyond: float = 0.0
    kv_tokens: int = 0
    since: float = 0.0
    cooling_until: float = 0.0
    adapters: frozenset[str] | None = None
    speed: Speed = field(default_factory=lambda: Speed((0.02, 1 / 10_000), (0.02, 0.0005)))


def ends(count: int, **more: object) -> list[End]:
    return [End(str(n), **more) for n in range(count)]  # type: ignore[arg-type]


def ask(tokens: float = 1000, cached: list[float] | None = None, count: int = 8, output: float = 100) -> Ask:
    return Ask(tokens, cached or [0.0] * count, output)


loads = st.lists(
    st.tuples(st.integers(0, 60), st.floats(0, 1e5), st.booleans(), st.floats(0, 1000)), min_size=1, max_size=12
)


@given(st.sampled_from(POLICIES), loads, st.integers(0, 2**40), st.sets(st.integers(0, 11)))
def test_never_one_that_is_excluded_and_a_failed_one_only_when_all_are(
    policy: Policy, loads: list[tuple[int, float, bool, float]], draw: int, excluded: set[int]
) -> None:
    made = [
        End(str(n), running, pending, cooling_until=NOW + n + 1 if failed else 0.0)
        for n, (running, pending, failed, _) in enumerate(loads)
    ]
    out = {str(n) for n in excluded}
    choice = choose(policy, ask(cached=[cached for *_, cached in loads]), made, NOW, draw, excluded=out)
    able = [each for each in made if each.id not in out]
    if choice is None:
        assert not able
        return
    picked = made[choice.index]
    assert picked.id not in out
    healthy = [each for each in able if not each.cooling_until]
    assert (picked in healthy) == bool(healthy)
    assert choice.look_again == (0.0 if healthy else min(each.cooling_until for each in able))


@pytest.mark.parametrize("policy", POLICIES)
def test_equals_share_whatever_the_draw_begins_with(policy: Policy) -> None:
    for start in (0, 7, 2**31):
        picked: Counter[int] = Counter()
        for turn in range(800):
            choice = choose(policy, ask(), ends(8), NOW, start + turn)
            assert choice
            picked[choice.index] += 1
        assert set(picked) == set(range(8))
        assert max(picked.values()) < 200


@given(loads, st.integers(0, 10), st.floats(1, 1e5), st.floats(1, 5000))
def test_more_load_never_makes_it_likelier_and_more_cached_never_unlikelier(
    loads: list[tuple[int, float, bool, float]], which: int, more: float, tokens: float
) -> None:
    which %= len(loads)
    made = [End(str(n), running, pending) for n, (running, pending, *_) in enumerate(loads)]
    cached = [min(tokens, each) for *_, each in loads]
    before = choose("predicted_latency", Ask(tokens, cached, 50), made, NOW, 0)
    assert before
    if before.index != which:
        made[which].pending += more
        made[which].running += 1
        after = choose("predicted_latency", Ask(tokens, cached, 50), made, NOW, 0)
        assert after
        assert after.index != which
    else:
        cached[which] = tokens
        after = choose("predicted_latency", Ask(tokens, cached, 50), made, NOW, 0)
        assert after
        assert len(loads) == 1 or after.costs[which] <= before.costs[which] + 1e-9


def test_the_cached_one_is_worth_a_wait_as_long_as_reading_the_rest_again() -> None:
    made, cached = ends(4), [0.0, 8000.0, 0.0, 0.0]
    question = Ask(9000, cached, 50)

    def picked() -> int:
        choice = choose("predicted_latency", question, made, NOW, 0)
        assert choice
        return choice.index

    assert picked() == 1
    made[1].pending = 6000
    assert picked() == 1
    made[1].pending = 12_000
    assert picked() != 1, "a cold one reads 9,000 tokens sooner"


def test_a_twin_waits_where_its_prompt_is_being_read_only_while_that_is_sooner() -> None:
    made, cached = ends(4), [4000.0, 0.0, 0.0, 0.0]
    made[0].running = 1

    def picked() -> int:
        choice = choose("predicted_latency", Ask(4000, cached, 50), made, NOW, 0)
        assert choice
        return choice.index

    made[0].pending = 2000  # half of it is read
    assert picked() == 0
    made[0].pending = 12_000  # two others are before it
    assert picked() != 0


def test_a_slow_endpoint_gets_less() -> None:
    made = ends(2)
    made[1].speed = Speed((0.04, 1 / 5000), (0.04, 0.001))
    picked = []
    for _ in range(30):
        choice = choose("predicted_latency", ask(count=2), made, NOW, len(picked))
        assert choice
        made[choice.index].running += 1
        made[choice.index].pending += 1000
        picked.append(choice.index)
    assert 0 < picked.count(1) < 14


def test_what_an_engine_says_of_others_load_counts_and_silence_closes_nothing() -> None:
    made = ends(2)
    made[0].beyond = 20
    choice = choose("predicted_latency", ask(count=2), made, NOW, 0)
    assert choice
    assert choice.index == 1
    made[1].beyond = 1e6
    assert choose("predicted_latency", ask(count=2), made, NOW, 0)


def test_a_full_cache_and_a_missing_adapter_cost() -> None:
    made = ends(2, kv_tokens=10_000)
    made[0].context = 9500
    choice = choose("predicted_latency", ask(count=2), made, NOW, 0)
    assert choice
    assert choice.index == 1
    made = ends(2, adapters=frozenset())
    made[1].adapters = frozenset({"legal"})
    choice = choose("predicted_latency", Ask(100, [0.0, 0.0], 10, "legal"), made, NOW, 0)
    assert choice
    assert choice.index == 1


def test_a_new_endpoint_is_eased_in() -> None:
    made = ends(3, running=10)
    made[2].running, made[2].since = 2, NOW - 1
    costs = choose("predicted_latency", ask(count=3), made, NOW, 0)
    later = choose("predicted_latency", ask(count=3), made, NOW + SLOW_START_SECONDS, 0)
    assert costs
    assert later
    assert later.costs[2] < costs.costs[2]
    all_new = ends(3, since=NOW)
    assert choose("predicted_latency", ask(count=3), all_new, NOW, 0)


def test_the_terms_add_up_to_the_cost() -> None:
    made = ends(2, running=3, pending=500.0)
    question = Ask(1000, [200.0, 0.0], 100)
    choice = choose("predicted_latency", question, made, NOW, 0)
    assert choice
    told = terms(question, made[0], 0)
    assert told["uncached_tokens"] == 800
    own = told["wait_seconds"] + told["prefill_seconds"]
    assert choice.costs[0] == pytest.approx(own + 0.3 * told["others_seconds"])
    assert choice.why is Why.LEAST_COST


def test_the_baselines() -> None:
    made = [End("a", 5), End("b", 1), End("c", 3)]

    def picked(policy: Policy, draw: int, cached: list[float] | None = None) -> int:
        choice = choose(policy, ask(1000, cached or [0.0] * 3), made, NOW, draw)
        assert choice
        return choice.index

    assert [picked("round_robin", draw) for draw in range(4)] == [0, 1, 2, 0]
    assert {picked("least_request", draw) for draw in range(9)} == {1}
    assert {picked("power_of_two", draw) for draw in range(200)} == {1, 2}
    assert picked("prefix_affinity", 0, [900.0, 0.0, 0.0]) == 0
    assert picked("prefix_affinity", 0, [200.0, 0.0, 0.0]) == 1, "too little of it is known"
    made[0].running = 200
    assert picked("prefix_affinity", 0, [900.0, 0.0, 0.0]) == 1, "too uneven"


def test_cooldown_doubles_to_its_bound() -> None:
    assert [cooldown(n, 0.2, 2.0) for n in (1, 2, 3, 4, 5, 10**6)] == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]

"""Which endpoint takes a request: what must hold for every load, and each policy's own rule."""

from __future__ import annotations

from collections import Counter
from math import inf
from random import Random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.policy.routing import RAMP_SECONDS, Ask, Candidate, PolicyName, Why, choose, coming, cooldown, terms
from headway.policy.speed import ModelSpeed

POLICIES: list[PolicyName] = list(get_args(PolicyName))
NOW = 1000.0
DRAW = Random(3)  # noqa: S311


def end(name: str, slot: int = 0, running: int = 0, pending: float = 0.0, **more: object) -> Candidate:
    """One that computes since NOW whatever is pending there."""
    made = Candidate(name, slot, ModelSpeed((0.02, 1 / 10_000), (0.02, 5e-4, 1e-7)).endpoint(), 0.0)
    made.running, made.pending_tokens, made.prefilling_since, made.adapter_load = running, int(pending), NOW, 1.0
    for key, value in more.items():
        setattr(made, key, value)
    return made


def ends(count: int, **more: object) -> list[Candidate]:
    return [end(str(n), n, **more) for n in range(count)]  # type: ignore[arg-type]


def picked(made: list[Candidate], ask: Ask, policy: PolicyName = "predicted_latency", draw: float = 0.0) -> int:
    choice = choose(policy, ask, made, NOW, draw)
    assert choice
    return choice.index


load = st.tuples(st.integers(0, 60), st.floats(0, 1e5), st.booleans(), st.floats(0, 1000))
loads = st.lists(load, min_size=1, max_size=12)
draws = st.floats(0, 1, exclude_max=True)


@given(st.sampled_from(POLICIES), loads, draws, st.sets(st.integers(0, 11)))
def test_never_one_that_is_excluded_and_a_failed_one_only_when_all_are(
    policy: PolicyName, loads: list[tuple[int, float, bool, float]], draw: float, excluded: set[int]
) -> None:
    made = [
        end(str(n), n, running, pending, cooling_until=NOW + n + 1 if failed else 0.0)
        for n, (running, pending, failed, _) in enumerate(loads)
    ]
    out = {str(n) for n in excluded}
    ask = Ask(1000, [cached for *_, cached in loads], 100)
    choice = choose(policy, ask, made, NOW, draw, excluded=out)
    able = [each for each in made if each.id not in out]
    if choice is None:
        assert not able
        return
    one = made[choice.index]
    assert one.id not in out
    healthy = [each for each in able if not each.cooling_until]
    assert (one in healthy) == bool(healthy)
    assert choice.look_again == (0.0 if healthy else min(each.cooling_until for each in able))


@pytest.mark.parametrize("policy", POLICIES)
def test_equals_share_and_nobody_herds_on_the_first(policy: PolicyName) -> None:
    counts: Counter[int] = Counter()
    for turn in range(1600):
        choice = choose(policy, Ask(1000, [0.0] * 8, 100, turn=turn), ends(8), NOW, DRAW.random())
        assert choice
        counts[choice.index] += 1
    assert set(counts) == set(range(8))
    assert max(counts.values()) < 300


@given(loads, st.integers(0, 11), st.floats(1, 1e5), st.floats(1, 5000), draws)
def test_more_load_never_makes_it_likelier(
    loads: list[tuple[int, float, bool, float]], which: int, more: float, tokens: float, draw: float
) -> None:
    made = [end(str(n), n, running, pending) for n, (running, pending, *_) in enumerate(loads)]
    ask = Ask(tokens, [min(tokens, each) for *_, each in loads], 50)
    which %= len(made)
    before = choose("predicted_latency", ask, made, NOW, draw)
    assert before
    made[which].pending_tokens += int(more)
    made[which].running += 1
    after = choose("predicted_latency", ask, made, NOW, draw)
    assert after
    if len(made) > 1:
        assert after.costs[which] >= before.costs[which]
        assert all(
            mine == theirs for n, (mine, theirs) in enumerate(zip(after.costs, before.costs, strict=True)) if n != which
        )


def test_the_cached_one_is_worth_a_wait_as_long_as_reading_the_rest_again() -> None:
    made, ask = ends(4), Ask(9000, [0.0, 8000.0, 0.0, 0.0], 50)
    assert picked(made, ask) == 1
    made[1].pending_tokens = 6000
    assert picked(made, ask) == 1
    made[1].pending_tokens = 12_000
    assert picked(made, ask) != 1, "a cold one reads 9,000 tokens sooner"


def test_a_twin_waits_where_its_prompt_is_being_read_only_while_that_is_sooner() -> None:
    made, ask = ends(4), Ask(4000, [4000.0, 0.0, 0.0, 0.0], 50)
    made[0].running, made[0].pending_tokens = 1, 2000  # half of it is read
    assert picked(made, ask) == 0
    made[0].pending_tokens = 12_000  # two others are before it
    assert picked(made, ask) != 0


def test_a_slow_endpoint_gets_less() -> None:
    made = ends(2)
    made[1].speed = ModelSpeed((0.04, 1 / 5000), (0.04, 1e-3, 2e-7)).endpoint()
    counts: Counter[int] = Counter()
    for _ in range(30):
        index = picked(made, Ask(1000, [0.0, 0.0], 100), draw=DRAW.random())
        made[index].running += 1
        made[index].pending_tokens += 1000
        counts[index] += 1
    assert 0 < counts[1] < 14


def test_what_an_engine_says_of_others_load_counts_while_it_is_fresh_and_never_closes_it() -> None:
    made = ends(2)
    made[0].elsewhere.heard(20, 5, 0.5, ours=0, prompt=1000.0, now=NOW)
    assert picked(made, Ask(1000, [0.0, 0.0], 100)) == 1
    made[1].elsewhere.heard(100_000, 0, 1.0, ours=0, prompt=1.0, now=NOW)
    assert choose("predicted_latency", Ask(1000, [0.0, 0.0], 100), made, NOW, 0.0)
    stale = choose("predicted_latency", Ask(1000, [0.0, 0.0], 100), made, NOW + 60, 0.0)
    assert stale
    assert stale.costs[0] == pytest.approx(stale.costs[1]), "what is old says nothing"


def test_a_missing_adapter_and_taken_seats_cost() -> None:
    made = ends(2, adapters=frozenset())
    made[1].adapters = frozenset({"legal"})
    assert picked(made, Ask(100, [0.0, 0.0], 10, "legal")) == 1
    made = ends(2, seats=4, running=3)
    made[0].running = 4
    assert picked(made, Ask(100, [0.0, 0.0], 200)) == 1


def test_a_session_is_kept_where_it_was_when_the_text_says_nothing() -> None:
    assert picked(ends(4), Ask(2000, [0.0] * 4, 50, session=2, session_tokens=1800)) == 2


def test_a_new_endpoint_is_eased_in() -> None:
    made = ends(3, running=10)
    made[2].running, made[2].since = 2, NOW - 0.1 * RAMP_SECONDS
    ask = Ask(1000, [0.0] * 3, 100)
    assert picked(made, ask) != 2, "it has its share of a tenth"
    made[2].since = NOW - 0.9 * RAMP_SECONDS
    assert picked(made, ask) == 2
    assert choose("predicted_latency", ask, ends(3, since=NOW), NOW, 0.0), "all are new after a start"


def test_the_terms_add_up_to_the_cost() -> None:
    made = ends(2, running=3, pending=500.0, context_tokens=3000)
    ask = Ask(1000, [200.0, 0.0], 100, coming=2.5)
    choice = choose("predicted_latency", ask, made, NOW, 0.0)
    assert choice
    for index in range(2):
        assert choice.costs[index] == pytest.approx(terms(ask, made[index], ask.matched[index], NOW).cost)
    assert choice.why is Why.LEAST_COST


def test_what_is_pending_wears_off_while_it_is_computed_but_not_below_half() -> None:
    one = end("one", pending=6000)
    assert [one.ahead(NOW + after) for after in (0.0, 0.1, 0.5, 9.0)] == pytest.approx([6000, 5000, 3000, 3000])
    assert one.ahead(NOW + 9.0, "legal") == 6000, "it may be held back until its adapter is there"
    made, ask = ends(2), Ask(5000, [5000.0, 0.0], 50)
    made[0].running, made[0].pending_tokens = 1, 9000
    assert picked(made, ask) == 1
    made[0].prefilling_since = NOW - 0.8
    assert picked(made, ask) == 0, "it is nearly done there"


def test_in_a_backlog_a_prompt_stays_where_it_is_cached_though_it_waits_longer_there() -> None:
    made, ask = ends(2, pending=20_000, every=0.2, asked_at=NOW), Ask(6500, [6000.0, 0.0], 50)
    ask.coming = coming(made, NOW)
    assert ask.coming == pytest.approx(5)
    made[0].pending_tokens = 30_000
    assert picked(made, ask) == 0, "to compute it anew would keep ten others waiting"
    ask.coming = coming(made, NOW + 60)
    assert picked(made, ask) == 1, "nobody comes after it"


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 100)), min_size=1, max_size=40), st.floats(0.001, 1e4))
def test_how_often_an_endpoint_is_asked_stays_within_what_was_seen(came: list[tuple[int, float]], last: float) -> None:
    one, now, seen = end("one"), 0.0, [1.0]
    for count, later in [*came, (1, last)]:
        now += later
        one.came(count, now)
        seen.append(max(1e-3, later / count))
        assert min(seen) * 0.999 <= one.every <= max(seen) * 1.001
    assert one.asked_at == now


def test_the_baselines() -> None:
    made = [end("a", 0, 5), end("b", 1, 1), end("c", 2, 3)]
    none = [0.0] * 3
    assert [picked(made, Ask(1000, none, 10, turn=turn), "round_robin") for turn in range(4)] == [0, 1, 2, 0]
    assert {picked(made, Ask(1000, none, 10), "least_request", DRAW.random()) for _ in range(9)} == {1}
    assert {picked(made, Ask(1000, none, 10), "power_of_two", DRAW.random()) for _ in range(200)} == {1, 2}
    assert picked(made, Ask(1000, [900.0, 0.0, 0.0], 10), "prefix_affinity") == 0
    assert picked(made, Ask(1000, [200.0, 0.0, 0.0], 10), "prefix_affinity") == 1, "too little of it is known"
    made[0].running = 200
    assert picked(made, Ask(1000, [900.0, 0.0, 0.0], 10), "prefix_affinity") == 1, "too uneven"


def test_who_is_passed_over_costs_nothing_that_counts() -> None:
    made = ends(3)
    made[1].cooling_until = NOW + 1
    choice = choose("predicted_latency", Ask(10, [0.0] * 3, 5), made, NOW, 0.0)
    assert choice
    assert choice.costs[1] == inf


def test_cooldown_doubles_to_its_bound() -> None:
    assert [cooldown(n, 0.2, 2.0) for n in (1, 2, 3, 4, 5, 10**6)] == [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]

"""The scheduler under a clock of the test's: no token is lost, no time is idled away, who comes first is served
first, and steps take what the profile says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.engines.mock_batch import Batch
from headway.engines.mock_fixed import FixedPace
from headway.engines.mock_lora import LoraSlots
from headway.engines.mock_profile import PROFILES
from tests.support.mock_engine import Clocked, batch, profile, sequence

request = st.tuples(st.integers(1, 90), st.integers(1, 40), st.sampled_from("abc"))


@settings(max_examples=150)
@given(
    requests=st.lists(request, min_size=1, max_size=12),
    blocks=st.integers(9, 40),
    running=st.integers(1, 6),
    budget=st.integers(1, 64),
    gaps=st.lists(st.integers(0, 3), min_size=12, max_size=12),
)
def test_every_request_gets_every_token_and_every_block_comes_back(
    requests: list[tuple[int, int, str]], blocks: int, running: int, budget: int, gaps: list[int]
) -> None:
    """Any mix in any cache that holds each of them alone, with preemption or without."""
    clocked = batch(kv_tokens=blocks * 16, max_running=running, max_batched_tokens=budget)
    made = [sequence(tokens, length, of) for tokens, length, of in requests]
    for each, gap in zip(made, gaps, strict=False):
        clocked.submit(each)
        for _ in range(gap):
            clocked.step()
        assert clocked.scheduler.running <= running
        assert clocked.scheduler.cache.used <= blocks
    clocked.run()
    assert [each.produced for each in made] == [each.length for each in made]
    assert len(clocked.tokens) == sum(each.length for each in made)
    assert clocked.scheduler.cache.used == clocked.scheduler.running == clocked.scheduler.waiting == 0
    assert all(each.cached % 16 == 0 and each.cached < each.prompt_tokens for each in made if each.cached)


@settings(max_examples=100)
@given(requests=st.lists(request, min_size=1, max_size=10), running=st.integers(1, 4), budget=st.sampled_from([16, 40]))
def test_it_is_work_conserving_and_first_come_first_served(
    requests: list[tuple[int, int, str]], running: int, budget: int
) -> None:
    """With room for all: a step uses its whole budget or runs all it may; starts and first tokens keep their order."""
    clocked = batch(max_running=running, max_batched_tokens=budget)
    scheduler = clocked.scheduler
    assert isinstance(scheduler, Batch)
    made = [sequence(tokens, length, of) for tokens, length, of in requests]
    clocked.submit(*made)
    while True:
        clocked.step()
        planned = sum(tokens for _, tokens in scheduler._planned)
        if scheduler.waiting:
            assert planned == budget or scheduler.running == running
        if clocked.seconds is None:
            break
        assert planned > 0
    assert clocked.firsts() == made
    starts = [each.started for each in made if each.started is not None]
    assert len(starts) == len(made)
    assert starts == sorted(starts)


@settings(max_examples=100)
@given(requests=st.lists(request, min_size=2, max_size=8), leave=st.lists(st.integers(0, 30), min_size=8, max_size=8))
def test_callers_that_leave_give_everything_back(requests: list[tuple[int, int, str]], leave: list[int]) -> None:
    clocked = batch(kv_tokens=16 * 16, max_running=4, max_batched_tokens=32)
    made = [sequence(tokens, length, of) for tokens, length, of in requests]
    clocked.submit(*made)
    for moment in range(31):
        clocked.step()
        for each, when in zip(made, leave, strict=False):
            if when == moment and not each.done:
                clocked.scheduler.cancel(each)
                told = each.produced
                clocked.scheduler.cancel(each)
                assert each.produced == told
    clocked.run()
    assert clocked.scheduler.cache.used == clocked.scheduler.running == clocked.scheduler.waiting == 0


def test_a_step_takes_what_the_profile_says() -> None:
    given = profile(step_base=1.0, per_prefill_token=0.01, per_sequence=0.1, per_context_token=0.001)
    clocked = Clocked(Batch(given))
    clocked.submit(sequence(100, 2, "a"), sequence(50, 2, "b"))
    clocked.step()
    assert clocked.seconds == pytest.approx(1 + 150 * 0.01 + 2 * 0.1 + 150 * 0.001)
    assert len(clocked.step()) == 2
    assert clocked.seconds == pytest.approx(1 + 2 * 0.1 + 152 * 0.001)
    assert Clocked(Batch(given.faster(2))).scheduler.step(0).seconds is None
    assert given.faster(2).seconds(150, 2, 150) == pytest.approx(given.seconds(150, 2, 150) / 2)


def test_prompts_are_computed_in_chunks_beside_those_that_run() -> None:
    clocked = batch(max_batched_tokens=32)
    short, long = sequence(8, 9, "s"), sequence(100, 1, "l")
    clocked.submit(short, long)
    clocked.run()
    told = [each for _, each in clocked.tokens]
    # 24 tokens in the first step beside the short prompt, then 31 beside each of its tokens: 24, 55, 86, 100
    assert told[:4] == [short, short, short, short]
    assert told[4] is long


def test_what_is_cached_is_not_computed_again_but_for_the_last_token() -> None:
    clocked = batch(per_prefill_token=0.01)
    clocked.submit(first := sequence(64, 1, "a"))
    clocked.run()
    clocked.submit(again := sequence(64, 1, "a"), longer := sequence(100, 1, "a"))
    clocked.step()
    assert (first.cached, again.cached, longer.cached) == (0, 48, 64)
    assert clocked.seconds == pytest.approx(1 + 0.01 * (16 + 36))
    assert (clocked.scheduler.queried, clocked.scheduler.hits) == (64 + 64 + 100, 48 + 64)


def test_an_answer_is_cached_with_its_prompt() -> None:
    clocked = batch()
    clocked.submit(first := sequence(20, 30, "a"))
    clocked.run()
    text = first.prompt + first.answer.tokens(0, 30) + b"more"
    turn = type(first)(text, first.answer, 1)
    clocked.submit(turn)
    clocked.run()
    assert turn.cached == 48  # of 49 that had keys and values: the last token of an answer is never fed back


def test_the_last_one_gives_way_and_is_served_before_the_queue() -> None:
    """Two that fit only while they are short: the later one is preempted, and computes its tokens anew."""
    clocked = batch(kv_tokens=5 * 16)
    first, second, third = sequence(30, 30, "a"), sequence(30, 20, "b"), sequence(40, 1, "c")
    clocked.submit(first, second, third)
    clocked.run()
    assert clocked.scheduler.preemptions >= 1
    assert [first.produced, second.produced, third.produced] == [30, 20, 1]
    last = {each: when for when, each in clocked.tokens}
    assert last[first] < last[second] < last[third]


def test_a_held_sequence_keeps_its_place_and_hinders_nobody() -> None:
    clocked = batch()
    held, other = sequence(20, 9, "a", hold_at=3), sequence(20, 5, "b")
    clocked.submit(held, other)
    clocked.run()
    assert (held.produced, other.produced) == (3, 5)
    assert (clocked.scheduler.running, clocked.scheduler.waiting) == (1, 0)
    clocked.scheduler.cancel(held)
    assert clocked.scheduler.cache.used == 0


def test_an_adapter_is_waited_for_and_others_pass() -> None:
    clocked = batch(lora_load=2.5, max_loras=1)
    tuned, base = sequence(16, 1, "t", adapter="t"), sequence(16, 1, "b")
    clocked.submit(tuned, base)
    clocked.run()
    assert [(when, each) for when, each in clocked.tokens] == [(1.0, base), (3.5, tuned)]


def test_a_slot_is_taken_from_the_one_not_used_for_longest() -> None:
    slots = LoraSlots(2, 1.0)
    clocked = Clocked(Batch(profile(step_base=0.25), slots))
    for name in ("a", "b", "a", "c"):
        clocked.submit(sequence(16, 1, name, adapter=name))
        clocked.run()
    assert slots.resident == ("a", "c")


def test_a_slot_in_use_is_not_taken() -> None:
    clocked = batch(max_loras=1, lora_load=1.0)
    one, other = sequence(16, 9, "a", adapter="a"), sequence(16, 1, "b", adapter="b")
    clocked.submit(one, other)
    for _ in range(4):
        clocked.step()
    assert clocked.scheduler.waiting_adapters() == {"b"}
    clocked.run()
    last = {each: when for when, each in clocked.tokens}
    assert last[other] == last[one] + 1.0 + 1.0  # its load, its step


def test_fixed_latencies_know_no_batch() -> None:
    clocked = Clocked(FixedPace(profile(), ttft=2.0, itl=0.5))
    clocked.submit(*(many := [sequence(40, 3, name) for name in "abc"]))
    clocked.run()
    times = [when for when, each in clocked.tokens if each is many[0]]
    assert times == [2.0, 2.5, 3.0]
    assert len(clocked.tokens) == 9
    clocked.submit(again := sequence(40, 3, "a"))
    clocked.run()
    assert again.cached == 32
    assert clocked.scheduler.cache.used == 0


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_serves_its_longest_request(name: str) -> None:
    given = PROFILES[name]
    clocked = Clocked(Batch(given))
    clocked.submit(one := sequence(given.longest - 2, 2, "a"))
    clocked.run(most=given.longest)
    assert one.produced == 2
    if given.step_base:
        prefill = (given.longest - 2) * given.per_prefill_token
        assert clocked.tokens[0][0] > prefill

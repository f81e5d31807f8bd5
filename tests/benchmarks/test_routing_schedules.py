"""What the workloads of benchmarks/routing ask: the same for the same seed, and what they say they ask."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from benchmarks.routing.conversations import Talk, conversations
from benchmarks.routing.draws import Zipf, arrivals, heavy, pause
from benchmarks.routing.passage import LONGEST, TOKEN_BYTES, passage
from benchmarks.routing.real import REAL
from benchmarks.routing.schedule import Message, Schedule, Session, Turn, Window
from benchmarks.routing.workloads import ADAPTERS, WORKLOADS, schedule

EVERY = [*WORKLOADS.values(), REAL]


def dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


def test_a_passage_has_its_length_and_differs_at_once() -> None:
    for tokens in (1, 3, 4, 100, LONGEST):
        assert len(passage(7, tokens).encode()) == tokens * TOKEN_BYTES
    assert passage(7, 50) == passage(7, 50)
    assert passage(7, 50) == passage(7, 90)[:200]
    texts = [passage(key, 16)[:12] for key in range(1000)]
    assert len(set(texts)) == 1000
    with pytest.raises(ValueError, match="the longest is"):
        passage(7, LONGEST + 1)


def test_arrivals_come_at_their_rate() -> None:
    times = list(arrivals(dice(1), 50.0, -10, 90))
    assert len(times) == pytest.approx(5000, rel=0.05)
    assert times == sorted(times)
    assert -10 <= times[0] < times[-1] < 90


def test_sizes_keep_their_bounds_and_their_middle() -> None:
    draw = dice(1)
    sizes = sorted(heavy(draw, 700, 0.8, 30, 6000) for _ in range(4001))
    assert sizes[2000] == pytest.approx(700, rel=0.05)
    assert 30 <= sizes[0] < sizes[-1] <= 6000
    times = [pause(draw, 2.0) for _ in range(4000)]
    assert 0 <= min(times) < max(times) <= 8.0


def test_zipf_prefers_the_first() -> None:
    draw, popular = dice(1), Zipf(60, 1.0)
    seen = Counter(popular.draw(draw) for _ in range(20_000))
    assert seen[0] / seen[1] == pytest.approx(2, rel=0.1)
    assert seen[0] / seen[9] == pytest.approx(10, rel=0.25)
    assert set(seen) == set(range(60))


@pytest.mark.parametrize("workload", EVERY, ids=lambda workload: workload.name)
def test_a_seed_makes_one_schedule(workload) -> None:
    assert schedule(workload, 0) == schedule(workload, 0)
    assert schedule(workload, 0) != schedule(workload, 1)
    assert schedule(workload, 0) != schedule(workload, 0, seed=1)


@pytest.mark.parametrize("workload", EVERY, ids=lambda workload: workload.name)
def test_what_is_judged_lies_in_the_window(workload) -> None:
    made = schedule(workload, 0)
    window = workload.window
    starts = [session.start for session in made.sessions]
    assert starts == sorted(starts)
    turns = [turn for session in made.sessions for turn in session.turns]
    assert all(0 <= turn.planned < window.last for turn in turns)
    assert all(turn.judged == (window.warm <= turn.planned < window.end) for turn in turns)
    assert made.judged == sum(turn.judged for turn in turns)
    assert made.judged > (300 if workload.simulated else 10), "p95 of fewer is worth little"


@pytest.mark.parametrize("workload", EVERY, ids=lambda workload: workload.name)
def test_load_multiplies_the_requests(workload) -> None:
    once, twice = (
        sum(schedule(workload, n, load).judged for n in range(4 if workload.simulated else 40)) for load in (1.0, 2.0)
    )
    assert twice / once == pytest.approx(2, rel=0.25)


@pytest.mark.parametrize("workload", EVERY, ids=lambda workload: workload.name)
def test_prompts_fit_the_engine(workload) -> None:
    longest = 2048 if workload is REAL else 32_768
    for session in schedule(workload, 0).sessions:
        asked = 0
        for turn in session.turns:
            # a message's marker, its end, and what fills up its last token are seven tokens of the mock engine
            asked += turn.tokens + turn.answer + 7 * (len(turn.said) + 1)
            assert asked <= longest
            assert all(0 < message.tokens <= LONGEST for message in turn.said)


def test_agentic_prompts_grow_from_5k_to_30k() -> None:
    prompts = [list(_prompts(session)) for session in schedule(WORKLOADS["agentic"], 0).sessions]
    every = [length for lengths in prompts for length in lengths]
    assert all(lengths == sorted(lengths) for lengths in prompts)
    assert 3500 < min(every) < 8000
    assert 25_000 < max(every) <= 30_000


def test_shared_prompts_are_150_of_6k() -> None:
    asked = [schedule(WORKLOADS["shared"], number) for number in range(4)]
    systems = Counter(session.turns[0].said[0] for made in asked for session in made.sessions)
    assert {(message.role, message.tokens) for message in systems} == {("system", 6000)}
    assert len(systems) == 150


def test_documents_are_the_same_in_each_round_and_long() -> None:
    rounds = [schedule(WORKLOADS["rag"], number).sessions for number in range(2)]
    seen = [{session.turns[0].said[1] for session in sessions} for sessions in rounds]
    assert len(seen[0] & seen[1]) > 100
    assert all(4000 <= document.tokens <= 16_000 for document in seen[0] | seen[1])


def test_adapters_are_asked_by_name_and_have_their_own_prompts() -> None:
    sessions = schedule(WORKLOADS["adapters"], 0).sessions
    names = Counter(session.model for session in sessions)
    assert set(names) <= set(ADAPTERS)
    assert names[ADAPTERS[0]] > 3 * names[ADAPTERS[20]] > 0
    assert len({(session.model, session.turns[0].said[0]) for session in sessions}) == len(names)


def test_the_control_shares_nothing() -> None:
    keys = [session.turns[0].said[0].key for session in schedule(WORKLOADS["control"], 0).sessions]
    assert len(set(keys)) == len(keys)


def test_the_mixed_fleet_has_one_slow_engine() -> None:
    assert sorted(WORKLOADS["mixed-fleet"].fleet.speeds) == [0.5] + [1.0] * 7


def test_a_run_begins_with_conversations_of_all_ages() -> None:
    """As many requests at the start as later, and the sessions at hand at the start have a history."""
    counts = Counter[int]()
    for number in range(12):
        for session in schedule(WORKLOADS["chat"], number).sessions:
            counts.update(int(turn.planned / 5) for turn in session.turns)
    per_slice = [counts[index] for index in range(9)]
    assert max(per_slice) < 1.25 * min(per_slice)
    first = [session.turns[0] for session in schedule(WORKLOADS["chat"], 0).sessions if session.start < 4]
    assert {len(turn.said) for turn in first} > {2, 4, 6, 8}


def test_history_alternates_and_is_told_once() -> None:
    talk = Talk(4, lambda draw: (Message("system", 1, 10),), lambda draw: 20, lambda draw: 5, think=1.0, most=1000)
    window = Window(0.5, 3, 1)
    for session in conversations(dice(3), 5.0, window, talk).sessions:
        first, *later = session.turns
        assert first.think == 0
        roles = [message.role for message in first.said]
        assert roles == ["system", "user", *["assistant", "user"] * (len(roles) // 2 - 1)]
        assert all([message.role for message in turn.said] == ["user"] for turn in later)
        assert all(turn.think > 0 for turn in later)
        assert len(roles) // 2 + len(later) <= 4


def test_a_session_that_would_be_too_long_ends_before() -> None:
    talk = Talk(10, lambda draw: (Message("system", 1, 100),), lambda draw: 90, lambda draw: 10, think=0.1, most=450)
    sessions = conversations(dice(3), 5.0, Window(1, 50), talk).sessions
    assert max(length for session in sessions for length in _prompts(session)) == 100 + 3 * 90 + 2 * 10


def test_the_mean_prompt_counts_the_answers_within() -> None:
    turns = (
        Turn((Message("user", 1, 100),), 10, 0.0, 0.0, judged=False),
        Turn((Message("user", 2, 50),), 10, 1.0, 2.0, judged=True),
        Turn((Message("user", 3, 40),), 10, 1.0, 4.0, judged=True),
    )
    made = Schedule.of(Window(1, 5), [Session("", turns)])
    assert made.mean_tokens == (160 + 210) // 2


def _prompts(session: Session):
    length = 0
    for turn in session.turns:
        length += turn.tokens
        yield length
        length += turn.answer

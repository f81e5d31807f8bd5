"""Recorded requests again: at their times, with what they shared, in their sessions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import UsageError
from headway.perf.traffic.planned import Planned
from headway.perf.traffic.replay import Replay
from headway.perf.traffic.schedule import traffic
from headway.perf.traffic.trace import Call
from headway.spec.check import workload_from_json
from tests.support.traces import Recorded

TALK = (
    Call(0.0, 100, 50, session="s", answer=2.0),
    Call(3.0, 20, 5),
    Call(10.0, 180, 40, session="s", answer=1.0),
    Call(10.5, 500, 10, session="s", answer=1.0),  # asked before the answer had ended
    Call(30.0, 300, 10, session="s", answer=1.0),
)


def replayed(
    *calls: Call, seed: int | None = None, trace: dict[str, Any] | None = None, **fields: Any
) -> list[Planned]:
    return list(made(*calls, seed=seed, trace=trace, **fields))


def made(*calls: Call, seed: int | None = None, trace: dict[str, Any] | None = None, **fields: Any) -> Replay:
    document = {"name": "w", "trace": {"file": "/t.csv"} | (trace or {})} | fields
    found = traffic(workload_from_json(document), Recorded(*calls), seed=seed)
    assert isinstance(found, Replay)
    return found


def test_times_lengths_and_speed() -> None:
    calls = [Call(each / 7, 100 + each, 10 + each) for each in range(100)]
    found = replayed(*calls, trace={"speed": 20})
    assert [each.number for each in found] == list(range(100))
    for each, call in zip(found, calls, strict=True):
        assert each.at == pytest.approx(call.at / 20, abs=1e-9)
        assert (each.prompt_tokens, each.output_tokens) == (call.prompt_tokens, call.output_tokens)
    assert len({piece.id for each in found for piece in each.prompt}) == 100


def test_the_stage_lasts_until_the_last_request_and_a_gap() -> None:
    run = made(*[Call(each, 5, 5) for each in range(11)], trace={"speed": 2})
    (stage,) = run.stages
    assert (stage.name, stage.start, stage.end, stage.rate, stage.cv) == ("w", 0.0, 5.5, None, None)
    assert made(*[Call(each, 5, 5) for each in range(11)], **{"for": "3s"}).seconds == 3


def test_a_window_of_the_trace() -> None:
    calls = [Call(each, 100 + each, 5) for each in range(100)]
    found = replayed(*calls, trace={"from": "20s", "for": "30s", "speed": 10})
    assert [each.prompt_tokens for each in found] == list(range(120, 150))
    assert found[0].at == 0
    assert found[-1].at == pytest.approx(2.9)
    assert len(replayed(*calls, requests=7)) == 7
    assert len(replayed(*calls, trace={"speed": 10}, **{"for": "5s"})) == 50


def test_blocks_become_pieces_that_equal_prompts_share() -> None:
    one, two, three = replayed(
        Call(0, 1300, 5, ((7, 512), (8, 512), (9, 512))),
        Call(1, 1200, 5, ((7, 512), (8, 512), (10, 512))),
        Call(2, 2000, 5, ((7, 512),)),
    )
    assert [piece.tokens for piece in one.prompt] == [512, 512, 276]
    assert one.prompt[:2] == two.prompt[:2]
    assert one.prompt[2].id != two.prompt[2].id
    assert three.prompt[0] == one.prompt[0]
    assert [piece.tokens for piece in three.prompt] == [512, 1488]
    assert all(0 <= piece.id < 2**62 for each in (one, two, three) for piece in each.prompt)


def test_hashes_of_64_bits_fit() -> None:
    (found,) = replayed(Call(0, 600, 5, ((2**64 - 1, 512),)))
    assert all(0 <= piece.id < 2**62 for piece in found.prompt)


def test_sessions_wait_for_their_answers_and_think() -> None:
    first, alone, second, hasty, last = replayed(*TALK, trace={"speed": 2})
    assert (first.session, first.turn) == (second.session, 0)
    assert (alone.session, alone.turn) == (-1, 0)
    assert (second.turn, second.think) == (1, pytest.approx((10 - 2) / 2))
    assert second.prompt[:1] == first.prompt
    assert [piece.tokens for piece in second.prompt] == [100, 50, 30]
    assert (hasty.turn, hasty.think) == (0, 0.0)
    assert hasty.session != second.session
    assert (last.session, last.turn) == (hasty.session, 1)
    assert last.think == pytest.approx((30 - 11.5) / 2)
    assert len(last.prompt) == 1, "300 tokens cannot hold the 510 that were said"


def test_without_sessions_each_goes_out_at_its_time() -> None:
    found = replayed(*TALK, trace={"sessions": False})
    assert {(each.session, each.turn, each.think) for each in found} == {(-1, 0, 0.0)}
    assert found[2].prompt[:1] == found[0].prompt


def test_sessions_whose_answers_are_not_recorded_go_out_at_their_times() -> None:
    found = replayed(Call(0, 10, 5, session="s"), Call(9, 100, 5, session="s"))
    assert [each.session for each in found] == [-1, -1]
    assert found[1].prompt[:1] == found[0].prompt


def test_a_share_takes_whole_sessions() -> None:
    calls = [Call(each / 10, 10, 5, session=f"s{each % 200}", answer=0.01) for each in range(2000)]
    found = replayed(*calls, trace={"share": "25%"})
    assert len({each.session for each in found}) == pytest.approx(50, abs=25)
    assert len(found) == 10 * len({each.session for each in found})
    assert replayed(*calls, trace={"share": "25%"}, seed=2) != found
    alone = replayed(*[Call(each / 10, 10, 5) for each in range(2000)], trace={"share": "25%"})
    assert len(alone) == pytest.approx(500, abs=80)


def test_models_tenants_and_operations() -> None:
    calls = (Call(0, 5, 5, model="GPT-4", tenant="a"), Call(1, 5, 0, model="ChatGPT", operation="embedding"))
    first, second = replayed(*calls, trace={"models": {"GPT-4": "big"}})
    assert (first.model, first.tenant, first.operation, first.stream) == ("big", "a", "chat", True)
    assert (second.model, second.operation, second.output_tokens, second.stream) == ("ChatGPT", "embedding", 0, False)
    first, second = replayed(*calls, model="chat", tenant="b", trace={"models": {"GPT-4": "big"}})
    assert (first.model, second.model, first.tenant) == ("big", "chat", "b")


def test_a_window_and_callers_that_leave() -> None:
    calls = [Call(each, 5000, 100) for each in range(400)]
    found = replayed(*calls, context="1k", cancel={"share": "50%", "after": 500})
    assert {each.prompt_tokens for each in found} == {900}
    assert {each.cancel_after for each in found} == {None, 99}
    assert replayed(*calls, context="1k", cancel={"share": "50%", "after": 500}) == found


def test_nothing_to_send_is_said() -> None:
    with pytest.raises(
        UsageError, match="made here: no request from 50 s on that could be sent; look at from, for and"
    ):
        _ = made(Call(0, 5, 5), trace={"from": "50s"}).stages


def test_the_last_turn_of_a_session_is_known() -> None:
    assert [each.last for each in replayed(*TALK)] == [False, True, True, False, True]
    assert [each.last for each in replayed(*TALK, requests=4)] == [False, True, True, True]
    assert all(each.last for each in replayed(*TALK, trace={"sessions": False}))


CALLS = st.lists(
    st.builds(
        Call,
        st.floats(0, 100),
        st.integers(1, 5000),
        st.integers(1, 500),
        st.lists(st.tuples(st.integers(0, 9), st.just(512)), max_size=3).map(tuple),
        st.sampled_from(["", "a", "b"]),
        st.one_of(st.none(), st.floats(0, 20)),
    ),
    min_size=1,
    max_size=30,
).map(lambda calls: sorted(calls, key=lambda call: call.at))


@given(CALLS, st.sampled_from([0.5, 1, 20]), st.booleans(), st.sampled_from([None, 600]))
def test_whatever_was_recorded_comes_again_as_it_was(
    calls: list[Call], speed: float, sessions: bool, context: int | None
) -> None:
    found = replayed(*calls, trace={"speed": speed, "sessions": sessions}, **({"context": context} if context else {}))
    assert len(found) == len(calls)
    turns: dict[int, Planned] = {}
    for each, call in zip(found, calls, strict=True):
        assert each.at == call.at / speed
        if context is None:
            assert (each.prompt_tokens, each.output_tokens) == (call.prompt_tokens, call.output_tokens)
        else:
            assert each.prompt_tokens + each.output_tokens <= context
        assert all(piece.tokens >= 1 for piece in each.prompt)
        if each.session < 0:
            assert each.last
            continue
        before = turns.get(each.session)
        assert each.turn == (0 if before is None else before.turn + 1)
        assert before is None or not before.last
        assert 0 <= each.think <= 100 / speed
        turns[each.session] = each
    assert all(each.last for each in turns.values())

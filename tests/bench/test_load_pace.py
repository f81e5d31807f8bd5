"""When requests are sent: the schedule says so, and nobody else; and what callers do who wait for their answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from time import monotonic

from headway.bench.callers import Callers, Phase
from headway.bench.prompts import Prompts
from headway.perf.traffic.planned import Piece, Planned
from headway.wire.alarm import alarm
from tests.support.gateway import Asked, Peer, answers, completion, sends
from tests.support.load import DONE, call, call_on, data, endless, said, scripted, send, sending, sse, tells

WHOLE = sse(said("one"), said(" two"), data(delta={}, finish="stop"), DONE)


async def test_an_alarm_never_rings_early_and_rings_for_what_is_past() -> None:
    rung: list[float] = []
    bell = asyncio.Event()

    def ring() -> None:
        rung.append(monotonic())
        bell.set()

    clock = alarm(ring)
    wanted = []
    for ahead in (0.0, 0.0004, 0.003, 0.02, -5.0):
        bell.clear()
        wanted.append(monotonic() + ahead)
        clock.set(wanted[-1])
        await asyncio.wait_for(bell.wait(), 10)
    clock.set(monotonic() + 0.01)
    clock.clear()
    await asyncio.sleep(0.03)
    clock.close()
    assert len(rung) == 5
    assert all(when >= at for when, at in zip(rung, wanted, strict=True))


async def test_a_server_that_answers_nothing_moves_no_send_time() -> None:
    planned = [call(number, number * 0.01) for number in range(60)]
    async with scripted(sends(then="hang")) as engine:
        records = await send(engine.url, *planned, timeout=2.0)
        assert len(engine.asked) == 60
    for one, record in zip(planned, records, strict=True):
        assert record.due == one.at
        assert record.sent is not None
        assert record.sent >= record.due
    sent = [record.sent for record in records if record.sent is not None]
    assert sent == sorted(sent)
    assert sent[-1] < 2.0  # long before the first of them was given up


async def test_many_at_one_moment_are_all_sent_then() -> None:
    async with scripted(answers(completion())) as engine:
        records = await send(engine.url, *(call(number, 0.1, stream=False) for number in range(200)), sockets=200)
    assert [record.error for record in records] == [""] * 200
    assert all(record.due == 0.1 for record in records)


def turns(session: int, count: int, *, think: float, at: float = 0.0, first: int = 0) -> list[Planned]:
    """A session whose turn n asks piece 2n and plans piece 2n + 1 as its answer."""
    pieces = [Piece(1000 * session + number, 6) for number in range(2 * count)]
    return [
        call(
            first + turn,
            at + turn * think,
            prompt=tuple(pieces[: 2 * turn + 1]),
            session=session,
            turn=turn,
            think=think if turn else 0.0,
            last=turn == count - 1,
        )
        for turn in range(count)
    ]


async def test_a_later_turn_is_due_so_long_after_the_answer_and_says_it() -> None:
    async with scripted(tells(WHOLE)) as engine:
        records = await send(engine.url, *turns(3, 3, think=0.15))
        asked = [each.json["messages"] for each in engine.asked]
    assert [(record.turn, record.error) for record in records] == [(0, ""), (1, ""), (2, "")]
    for before, after in itertools.pairwise(records):
        assert before.ended is not None
        assert abs(after.due - before.ended - 0.15) < 1e-9
    assert [len(messages) for messages in asked] == [1, 3, 5]
    assert asked[2][:3] == asked[1]
    assert asked[1][:1] == asked[0]
    assert [(each["role"], each["content"]) for each in asked[2][1::2]] == [("assistant", "one two")] * 2


async def test_a_session_goes_on_after_a_failure_with_the_answer_that_was_planned() -> None:
    async with scripted(answers(b"", 500), tells(WHOLE)) as engine:
        records = await send(engine.url, *turns(3, 2, think=0.05))
        asked = engine.asked[1].json["messages"]
    assert [record.error for record in records] == ["http", ""]
    assert asked[1]["content"] == Prompts(1).text([Piece(3001, 6)]).decode()


async def test_a_turn_that_does_not_begin_with_what_was_said_says_its_own_prompt() -> None:
    """A trace may be so: it was cut, or the caller forgot."""
    first, second = turns(3, 2, think=0.01)
    short = replace(second, prompt=(Piece(77, 4),))
    async with scripted(tells(WHOLE)) as engine:
        await send(engine.url, first, short)
        assert engine.asked[1].json["messages"] == [
            {"role": "user", "content": Prompts(1).text([Piece(77, 4)]).decode()}
        ]


async def test_turns_that_would_come_after_the_end_are_not_sent() -> None:
    async with scripted(tells(WHOLE)) as engine:
        records = await send(engine.url, *turns(3, 3, think=0.3), call(9, 0.1), end=0.5)
    assert [(record.session, record.turn) for record in records] == [(3, 0), (-1, 0), (3, 1)]


async def test_an_answer_full_of_quotes_comes_back_as_it_was() -> None:
    text = 'say "ah"\n\\ \u00e9 \U0001f600'
    async with scripted(tells(sse(said(text), data(delta={}, finish="stop"), DONE))) as engine:
        await send(engine.url, *turns(1, 2, think=0.01))
        assert engine.asked[1].json["messages"][1]["content"] == text


# -------------------- the closed loop

NO_END = float("inf")


async def test_as_many_are_in_flight_as_there_are_callers() -> None:
    seen: list[int] = []

    async def slow(asked: Asked, peer: Peer) -> None:
        await asyncio.sleep(0.01)
        seen.append(peer.engine.running)
        await asyncio.sleep(0.01)
        await peer.send(WHOLE)

    async with scripted(slow) as engine:
        records = await call_on(engine.url, 4, NO_END, islice(endless(), 60))
    assert max(seen) == 4
    assert seen.count(4) > len(seen) * 0.5
    assert {record.error for record in records} == {""}
    assert len({record.number for record in records}) == len(records) == 60
    assert all(record.started is not None and record.started >= record.due for record in records)


async def test_a_caller_goes_through_a_session_and_takes_the_next() -> None:
    def sessions() -> Iterator[Planned]:
        for number in itertools.count():
            yield from turns(number, 2, think=0.0, first=2 * number)

    async with scripted(tells(WHOLE)) as engine:
        records = await call_on(engine.url, 1, NO_END, islice(sessions(), 8))
    by_due = [(record.session, record.turn) for record in records]
    assert by_due == [(number // 2, number % 2) for number in range(len(by_due))]
    assert len(by_due) == 8


async def test_a_number_of_requests_ends_the_closed_loop() -> None:
    async with scripted(answers(completion())) as engine:
        records = await call_on(engine.url, 3, NO_END, islice(endless(stream=False), 20))
    assert sorted(record.number for record in records) == list(range(20))


async def test_callers_come_and_go_as_stages_say() -> None:
    """Between two stages never more are there than the larger one has."""
    most = 0

    async def slow(asked: Asked, peer: Peer) -> None:
        nonlocal most
        most = max(most, peer.engine.running)
        await asyncio.sleep(0.01)
        await peer.send(WHOLE)

    def of(stage: int) -> Iterator[Planned]:
        return (replace(each, stage=stage) for each in endless())

    counts = (2, 5, 1)
    async with scripted(slow) as engine, sending(engine.url) as one:
        phases = [Phase(0.4 * stage, 0.4 * stage + 0.4, count, of(stage)) for stage, count in enumerate(counts)]
        callers = Callers(phases, one.requests, one.desk, one.sent_all.set)
        callers.prepare()
        callers.start()
        records = await one.home()
    assert most <= 5
    assert {record.error for record in records} <= {""}
    for stage, count in enumerate(counts):
        ours = [record for record in records if record.stage == stage]
        assert all(0.4 * stage <= record.due < 0.4 * stage + 0.4 for record in ours)
        for moment in (record.due for record in ours):
            here = [each for each in records if each.due <= moment < (each.ended or moment)]
            assert len(here) <= max(*counts[max(0, stage - 1) : stage + 1], count)


async def test_callers_do_not_storm_a_server_that_is_not_there() -> None:
    async with scripted() as engine:
        url = engine.url
    records = await call_on(url, 2, NO_END, islice(endless(), 8))
    assert {record.error for record in records} == {"connect"}
    moments = [record.due for record in records]
    assert all(later - before >= 0.099 for before, later in zip(moments, moments[2:], strict=False))

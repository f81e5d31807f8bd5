"""A closed loop has as many requests under way as it was told, no more and no fewer, at the server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bench import bench, in_flight, read_arrivals, workload
from tests.support.mock_engine import engines

CALLERS = 12


@pytest.mark.parametrize("workers", [1, 2])
async def test_so_many_are_in_flight_on_the_plateau(workers: int, tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    load = workload(arrivals={"concurrency": CALLERS}, lasts="2s", output=5)
    async with engines("--ttft", "0.2", "--itl", "0.01", "--arrivals", str(log)) as to:
        run = await bench(to, load, workers=workers)
    seen = read_arrivals(log)
    begun = seen[0].came
    mean, most = in_flight(seen, begun + 0.3, begun + 1.7)
    assert most == CALLERS
    assert 0.93 * CALLERS < mean <= CALLERS
    assert len(seen) == len(run.records)
    assert {each.error for each in run.records} == {""}
    figures = run.summary().whole
    assert figures.rate.asked is None
    assert figures.rate.in_flight == pytest.approx(CALLERS, rel=0.07)
    assert figures.rate.answered == pytest.approx(CALLERS / 0.24, rel=0.15)


async def test_a_number_of_requests_and_then_the_end(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    async with engines("--ttft", "0.01", "--arrivals", str(log)) as to:
        run = await bench(to, workload(arrivals={"concurrency": 4}, requests=30))
    assert len(run.records) == len(read_arrivals(log)) == 30


async def test_turns_of_a_conversation_wait_for_the_answer_and_the_thought(tmp_path: Path) -> None:
    """Each turn is due a thinking time after the answer before, and holds all that was said."""
    log = tmp_path / "arrivals.jsonl"
    sessions = {"turns": 3, "think": "100ms"}
    load = workload(arrivals={"concurrency": 3}, requests=18, sessions=sessions)
    async with engines("--ttft", "0.05", "--itl", "0.005", "--arrivals", str(log)) as to:
        run = await bench(to, load)
    talks: dict[int, list[int]] = {}
    for record in run.records:
        talks.setdefault(record.session, []).append(record.turn)
    assert {tuple(turns) for turns in talks.values()} == {(0, 1, 2)}
    by_turn = {(each.session, each.turn): each for each in run.records}
    for (session, turn), record in by_turn.items():
        if turn:
            before = by_turn[session, turn - 1]
            assert before.ended is not None
            assert record.due == pytest.approx(before.ended + 0.1, abs=0.005)
            assert (record.prompt_tokens or 0) > (before.prompt_tokens or 0) + (before.output_tokens or 0)

"""Which requests outlive the worker's ring: chance, oddness, quiet, and the bounds of each."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from headway.gateway.asked import Asked
from headway.gateway.frames import Frame, Keep, Kept, Told
from headway.gateway.hubline import HubLine
from headway.gateway.keeper import FEW, MOST_HELD, MOST_ODD, Keeper
from headway.gateway.record import Record


@dataclass
class Line:
    """A hub that listens, or is gone."""

    there: bool = True
    said: list[Kept] = field(default_factory=list)

    def say(self, frame: Frame) -> None:
        assert isinstance(frame, Kept)
        self.said.append(frame)

    @property
    def told(self) -> list[Told]:
        return [told for frame in self.said for told in frame.told]


def keeper(line: Line, fraction: float = 0.0, slow: float = 10.0, *, quiet: bool = False) -> Keeper:
    """Unless `quiet`, what is kept because there is little has been used up."""
    made = Keeper(cast(HubLine, line), asyncio.get_running_loop(), random.Random(7).random)  # noqa: S311
    made.use(Keep(fraction, slow))
    if not quiet:
        made._few = 0
    return made


def record(status: int = 200, error: str = "", ttft: float | None = 0.1) -> Record:
    return Record(0, "x", 0.0, "/v1/chat/completions", "chat", status=status, error=error, ttft=ttft)


def asked(session: int = 0) -> Asked:
    prompt = SimpleNamespace(session=session, bytes=10, hashes=[1, 2])
    found: Any = SimpleNamespace(known_prompt=prompt, known_call=None, operation=SimpleNamespace(name="chat"))
    return cast(Asked, found)


async def test_a_fraction_of_all_is_drawn() -> None:
    line = Line()
    made = keeper(line, 0.01)
    for _ in range(100_000):
        made.see(record(), asked())
    made.tell()
    assert 850 < len(line.told) < 1150  # five standard deviations of 1000
    assert {(each.kept, each.sampled, each.fraction) for each in line.told} == {("sample", True, 0.01)}


async def test_all_or_none() -> None:
    line = Line()
    for fraction, expected in ((0.0, 0), (1.0, 50)):
        line.said.clear()
        made = keeper(line, fraction)
        for number in range(50):
            made.see(record(), asked(session=number))
        made.tell()
        assert len(line.told) == expected


async def test_a_conversation_is_kept_whole_or_not_at_all() -> None:
    line = Line()
    made = keeper(line, 0.1)
    chance = random.Random(1)  # noqa: S311
    sessions = [chance.getrandbits(64) or 1 for _ in range(2000)]
    for _ in range(3):
        for session in sessions:
            made.see(record(), asked(session))
    made.tell()
    counts = {each.session: 0 for each in line.told}
    for each in line.told:
        counts[each.session] += 1
    assert set(counts.values()) == {3}
    assert 120 < len(counts) < 280


async def test_what_is_odd_is_kept_and_a_flood_of_it_is_not() -> None:
    line = Line()
    made = keeper(line)
    for each in (record(502), record(200, "engine_failed"), record(429), record(499), record(ttft=11.0), record()):
        made.see(each, asked())
    made.tell()
    assert [each.kept for each in line.told] == ["failed", "failed", "refused", "left", "slow"]
    line.said.clear()
    for _ in range(10_000):
        made.see(record(429), asked())
    made.tell()
    assert [each.kept for each in line.told] == ["refused"] * MOST_ODD + ["quiet"] * FEW


async def test_while_there_are_few_all_are_kept() -> None:
    line = Line()
    made = keeper(line, quiet=True)
    for _ in range(3):
        made.see(record(), asked())
    made.tell()
    assert [each.kept for each in line.told] == ["quiet"] * 3


async def test_what_cannot_be_told_is_counted() -> None:
    line = Line()
    made = keeper(line, 1.0)
    for _ in range(MOST_HELD + 10):
        made.see(record(), asked())
    made.tell()
    assert (len(line.told), line.said[0].dropped) == (MOST_HELD, 10)
    line.there = False
    made.see(record(), asked())
    line.there = True
    made.tell()
    assert (line.said[1].told, line.said[1].dropped) == ([], 1)


async def test_until_the_hub_has_said_so_nothing_is_kept() -> None:
    line = Line()
    made = Keeper(cast(HubLine, line), asyncio.get_running_loop(), random.random)
    made.see(record(), asked())
    made.tell()
    assert line.told == []

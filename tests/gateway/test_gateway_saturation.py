"""A line that is too long for somebody's deadline tells them at once, and only once it knows its pace."""

from __future__ import annotations

from typing import cast

from headway.gateway.frames import Frame, Freed, Full, Join, Turn
from headway.gateway.hub.line import PACED, Lines
from headway.gateway.hub.member import Member
from headway.gateway.settings import Settings
from tests.support.gateway import endpoint, route


class Told:
    """A worker's ear."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def tell(self, frame: Frame) -> None:
        self.frames.append(frame)

    def said_to(self, number: int) -> Frame | None:
        return next((each for each in self.frames if isinstance(each, Full | Turn) and each.number == number), None)


def busy_line(seconds_a_place: float, *, places: int = PACED) -> tuple[Lines, Told]:
    """A model whose one place is taken."""
    lines = Lines(Settings(), lambda slot: 1, lambda: [])
    lines.use([route(endpoint("http://e"), capacity=1)], {"chat-0.1": 0})
    line = lines._lines["chat"]
    line.pace, line.paced = seconds_a_place, places
    return lines, Told()


def join(lines: Lines, told: Told, number: int, patience: float, priority: str = "normal") -> None:
    frame = Join(number, "chat", "t", priority, 1.0, cost=1.0, size=1, patience=patience)
    lines.join(cast(Member, told), frame)


async def test_who_would_come_too_late_is_told_at_once() -> None:
    lines, told = busy_line(1.0)
    for number in range(1, 11):
        join(lines, told, number, patience=600.0)
    assert not any(isinstance(each, Full) for each in told.frames)
    join(lines, told, 11, patience=5.0)
    assert told.said_to(11) == Full(11, 6.0, late=True)
    join(lines, told, 12, patience=60.0)
    assert told.said_to(12) is None


async def test_low_priority_is_too_late_first() -> None:
    lines, told = busy_line(1.0)
    for number in range(1, 11):
        join(lines, told, number, patience=600.0)
    for number, priority in enumerate(("low", "normal", "high"), 11):
        join(lines, told, number, patience=5.0, priority=priority)
    assert isinstance(told.said_to(11), Full)
    assert isinstance(told.said_to(12), Full)
    assert told.said_to(13) is None


async def test_nobody_is_refused_by_a_guess() -> None:
    lines, told = busy_line(1.0, places=PACED - 1)
    for number in range(1, 50):
        join(lines, told, number, patience=1.0)
    assert not any(isinstance(each, Full) for each in told.frames)


async def test_a_pause_without_a_line_is_no_pace() -> None:
    lines, told = busy_line(0.5)
    join(lines, told, 1, patience=600.0)
    lines.freed(Freed("chat", "t", "normal", 1.0, 1))
    lines.leave(cast(Member, told), 1)
    lines.freed(Freed("chat", "t", "normal", 1.0, 1))
    assert lines._lines["chat"].freed_at == 0.0

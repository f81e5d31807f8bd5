"""Engine logs: from the end, without loading them; followed across rotation; bounded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.sites.local import logs
from tests.support.sites import eventually


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "chat-0.log"


def add(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def test_no_log_has_no_lines(log: Path) -> None:
    assert logs.last_lines(log, 10) == []
    logs.rotate(log, 1)


def test_last_lines_with_the_unfinished_one(log: Path) -> None:
    add(log, "one\ntwo\nthree")
    assert logs.last_lines(log, 2) == ["two", "three"]
    assert logs.last_lines(log, 100) == ["one", "two", "three"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=50)), st.integers(1, 20))
def test_last_lines_are_the_last_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: int) -> None:
    log = tmp_path_factory.mktemp("log") / "x.log"
    log.write_bytes("".join(f"{line}\n" for line in lines).encode())
    assert logs.last_lines(log, count) == lines[-count:]


def test_a_large_log_is_read_from_its_end(log: Path) -> None:
    add(log, "".join(f"line {number} {'x' * 100}\n" for number in range(50_000)))
    assert [line.split()[1] for line in logs.last_lines(log, 3000)] == [str(n) for n in range(47_000, 50_000)]
    add(log, "y" * (3 << 20))
    assert len(logs.last_lines(log, 5)[-1]) <= 1 << 20, "one endless line is cut"


def test_the_lines_of_one_start(log: Path) -> None:
    logs.begin(log, "chat-0", 1, ["engine", "--a b"], 1000)
    add(log, "old error\n")
    assert logs.lines_of_this_start(log, 10) == ["old error"]
    logs.begin(log, "chat-0", 2, ["engine"], 1000)
    add(log, "new\n")
    assert logs.lines_of_this_start(log, 10) == ["new"]
    assert log.stat().st_mode & 0o777 == 0o600
    assert logs.last_lines(log, 10)[0].endswith(": engine '--a b'")


def test_rotation_bounds_it_while_the_engine_goes_on_writing(log: Path) -> None:
    with log.open("ab", buffering=0) as engine:
        engine.write(b"a" * 100 + b"\n")
        logs.rotate(log, 200)
        assert not log.with_suffix(".log.1").exists()
        engine.write(b"b" * 100 + b"\n")
        logs.rotate(log, 200)
        assert log.with_suffix(".log.1").stat().st_size == 202
        engine.write(b"after\n")
    assert log.read_bytes() == b"after\n"


async def test_follow_across_lines_in_parts_rotation_and_the_end(log: Path) -> None:
    add(log, "one\ntwo\npar")
    running = True
    got: list[str] = []

    async def follow() -> None:
        async for line in logs.follow(log, 1, lambda: running):
            got.append(line)

    following = asyncio.create_task(follow())
    await eventually(lambda: got == ["two"])
    add(log, "tial\n")
    await eventually(lambda: got[-1] == "partial")
    logs.rotate(log, 1)
    await eventually(lambda: log.stat().st_size == 0)
    add(log, "new\nunfinished")
    await eventually(lambda: got[-1] == "new")
    running = False
    async with asyncio.timeout(10):
        await following
    assert got == ["two", "partial", "new", "unfinished"]

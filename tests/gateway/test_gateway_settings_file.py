"""`--settings FILE`: every fault with its line, followed while requests run, beside a table that has none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headway.errors import SpecError
from headway.gateway.__main__ import main
from headway.gateway.settings import Tunable
from headway.gateway.tuning import read_settings
from tests.gateway.conftest import Start
from tests.support.gateway import GatewayProcess, answers, ask, endpoint, eventually, route

FAULTS = [
    ("conect_seconds: 1\n", "1:1: conect_seconds: unknown setting; did you mean connect_seconds?"),
    ("# ours\nconnect_seconds: 0\n", "2:18: connect_seconds: found 0; expected float > 0.0"),
    ("body_bytes: 8MiB\n", "1:13: body_bytes: found '8MiB'; expected int, got str"),
    ("eject_share: 2\n", "1:14: eject_share: found 2; expected float <= 1.0"),
    ("- connect_seconds\n", "1:1: found a list; write names and values, like connect_seconds: 1"),
    ("a: 1\n---\nb: 2\n", "1:1: found several documents; write names and values, like connect_seconds: 1"),
]


@pytest.mark.parametrize(("text", "told"), FAULTS)
def test_a_fault_names_its_line(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    with pytest.raises(SpecError) as found:
        read_settings(file)
    assert str(found.value) == f"{file}:{told}"


def test_what_is_not_said_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("connect_seconds: 1\nwaiting_max: 7\n")
    assert read_settings(file) == Tunable(connect_seconds=1.0, waiting_max=7)
    file.write_text("")
    assert read_settings(file) == Tunable()


def test_a_wrong_file_is_told_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gateway.yaml"
    argv = ["--table", str(tmp_path / "t.json"), "--settings", str(file), "--port", "0"]
    assert main(argv) == 2
    assert "gateway.yaml: cannot be read: No such file or directory" in capsys.readouterr().err
    file.write_text("tries_max: 0\n")
    assert main(argv) == 2
    assert "gateway.yaml:1:12: tries_max: found 0; expected int >= 1" in capsys.readouterr().err


async def test_it_is_followed_and_a_wrong_one_changes_nothing(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    file = tmp_path / "gateway.yaml"
    file.write_text("body_bytes: 100\n")
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), workers=2, more=("--settings", str(file)))

    async def statuses(size: int = 200) -> set[int]:
        return {each.status for each in await asyncio.gather(*(ask(live.port, user="x" * size) for _ in range(8)))}

    async def all_are(status: int, size: int = 200) -> bool:
        return await statuses(size) == {status}

    try:
        assert await statuses() == {413}
        file.write_text("body_bytes: 1000\n")
        await eventually(lambda: all_are(200))
        file.write_text("body_bytes: 100\nbody_bites: 1\n")
        await eventually(lambda: "did you mean body_bytes?" in live.log.read_text())
        assert await statuses() == {200}
        live.settings = Tunable(body_bytes=50)
        live.use(route(endpoint(one.url)))
        await eventually(lambda: all_are(413))
        live.settings = None
        live.use(route(endpoint(one.url)))
        await eventually(lambda: all_are(200))
        file.write_text("")
        await eventually(lambda: file.read_text() == "")
        assert await statuses() == {200}
    finally:
        assert live.stop() == 0

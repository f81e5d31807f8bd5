"""Deadlines that a Model's file says, from what is asked of the control process to what callers get."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import Control, mock
from tests.support.running import eventually


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    made = Control(tmp_path)
    yield made
    made.close()


def call(control: Control, model: str, **more: Any) -> tuple[int, bytes, str]:
    """Status, body, the request's id."""
    connection = http.client.HTTPConnection("127.0.0.1", control.port, timeout=30)
    try:
        body = json.dumps({"model": model, "prompt": "hello", "max_tokens": 8} | more)
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers["x-request-id"] or ""
    finally:
        connection.close()


def record(control: Control, request: str) -> Any:
    told = eventually(lambda: (found := control.ask("GET", f"/explain/{request}"))[0] == 200 and found[1])
    return told["story"]["record"]


def test_each_deadline_acts_and_a_change_restarts_nothing(control: Control) -> None:
    def wish(**deadlines: str) -> None:
        control.apply(mock("mute", fault="silent") | {"deadlines": deadlines}, mock("fine"), dozing)

    control.start()
    dozing = mock("dozing", fault="stall-after=3") | {"deadlines": {"idle": "300ms"}}
    wish(whole="400ms")
    before = {name: control.wait_state(name, "ready") and control.pids(name) for name in ("mute", "fine", "dozing")}
    status, body, request = call(control, "mute")
    assert (status, json.loads(body)["error"]["code"]) == (504, "deadline_exceeded")
    assert "0.4 s" in json.loads(body)["error"]["message"]
    assert record(control, request)["deadline"] == 0.4
    status, body, _ = call(control, "dozing", stream=True)
    assert status == 200
    assert b"The engine sent nothing for 0.3 s in mid-answer." in body
    wish(begin="200ms", whole="3s")
    eventually(lambda: _deadline_in_use(control) == 3)
    status, body, request = call(control, "mute")
    assert (status, json.loads(body)["error"]["code"]) == (504, "deadline_exceeded")
    tried = record(control, request)["attempts"]
    assert len(tried) >= 2
    assert {each["failure"] for each in tried} == {"timeout"}
    assert {name: control.pids(name) for name in before} == before, "no engine was started again"
    assert call(control, "fine")[0] == 200


def _deadline_in_use(control: Control) -> Any:
    """Of the table that the gateway says it uses."""
    table = json.loads(control.state.table.read_text())
    deadlines = next(each["deadlines"] for each in table["models"] if each["name"] == "mute")
    return deadlines["whole"] if control.snapshot()["gateway"]["table_version"] == table["version"] else None


def test_a_host_wide_deadline_stands_in_a_file_of_its_own(control: Control, tmp_path: Path) -> None:
    """And a Model's own goes before it."""
    file = tmp_path / "gateway.yaml"
    file.write_text("deadline_seconds: 0.4\n")
    control.start("--settings", str(file))
    hasty = mock("hasty", fault="silent") | {"deadlines": {"whole": "700ms"}}
    control.apply(mock("mute", fault="silent"), hasty)
    for name in ("mute", "hasty"):
        control.wait_state(name, "ready")
    said = {name: json.loads(call(control, name)[1])["error"]["message"] for name in ("mute", "hasty")}
    assert said == {"mute": "The request took longer than 0.4 s.", "hasty": "The request took longer than 0.7 s."}
    file.write_text("deadline_seconds: 0.3\n")
    eventually(lambda: "0.3 s" in json.loads(call(control, "mute")[1])["error"]["message"])

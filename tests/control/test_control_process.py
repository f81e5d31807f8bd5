"""The control process as a process: apply, change, kill -9 and adopt, two at once, ports, down."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.control.process import ALREADY_RUNS
from headway.store.request_log import RequestLog
from tests.support.control import Control, mock
from tests.support.processes import running
from tests.support.running import eventually, ours


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    made = Control(tmp_path)
    yield made
    made.close()


def test_apply_serves_and_tells(control: Control) -> None:
    control.start()
    changes = control.apply(mock("chat", 2))
    assert [(each["name"], each["change"]) for each in changes] == [("chat", "added")]
    told = control.wait_state("chat", "ready")
    assert told["replicas_ready"] == 2
    assert told["address"] == f"http://127.0.0.1:{control.port}/v1"
    assert told["replicas"][0]["derived"]["threads"]
    assert control.complete("chat") == 200
    assert control.apply(mock("chat", 2))[0]["change"] == "unchanged"
    snapshot = control.snapshot()
    assert snapshot["gateway"]["state"] == "ready"
    assert "TooFewReplicas" in {each["reason"] for each in snapshot["decisions"]}


def test_a_request_for_a_starting_model_waits_and_is_answered(control: Control) -> None:
    control.start()
    control.apply(mock("slow", 1, **{"ready-after": 1.0}))
    assert control.complete("slow") == 200


def test_only_the_difference_moves(control: Control) -> None:
    control.start()
    control.apply(mock("a", 2), mock("b", 1))
    control.wait_state("a", "ready")
    control.wait_state("b", "ready")
    a, b = control.pids("a"), control.pids("b")
    control.apply(mock("a", 3))
    more = eventually(lambda: (found := control.pids("a")) and len(found) == 3 and found)
    assert a.items() < more.items()
    control.wait_state("a", "ready")
    control.apply(mock("a", 1))
    less = eventually(lambda: (found := control.pids("a")) and len(found) == 1 and found)
    assert less.items() < more.items()
    assert control.pids("b") == b
    gone = control.apply(mock("a", 1), prune=True)
    assert {each["name"]: each["change"] for each in gone} == {"a": "unchanged", "b": "removed"}
    assert eventually(lambda: control.model("b") is None)


def test_a_new_revision_takes_over(control: Control) -> None:
    control.start()
    control.apply(mock("chat", 2))
    before = control.wait_state("chat", "ready")["revision"]
    old = control.pids("chat")
    control.apply(mock("chat", 2, itl=0.001))
    eventually(lambda: (found := control.pids("chat")) and len(found) == 2 and not found.keys() & old.keys())
    told = control.wait_state("chat", "ready")
    assert told["revision"] != before
    assert {each["revision"] for each in told["replicas"]} == {told["revision"]}
    reasons = {each["reason"] for each in control.ask("GET", "/explain/chat")[1]["decisions"]}
    assert {"NewRevision", "OldRevision"} <= reasons


def test_kill_9_leaves_all_serving_and_the_next_one_adopts(control: Control) -> None:
    control.start()
    control.apply(mock("chat", 2))
    control.wait_state("chat", "ready")
    engines, gateway = control.pids("chat"), control.snapshot()["gateway"]["pid"]
    control.kill()
    assert [control.complete("chat") for _ in range(10)] == [200] * 10
    control.start()
    assert control.pids("chat") == engines
    assert control.snapshot()["gateway"]["pid"] == gateway
    assert control.apply(mock("chat", 2))[0]["change"] == "unchanged"
    assert control.pids("chat") == engines
    adopted = [each for each in control.snapshot()["decisions"] if each["reason"] == "FoundRunning"]
    assert {each["object"] for each in adopted} == {*engines, "gateway"}


def test_an_adopted_engine_that_dies_is_started_again(control: Control) -> None:
    control.start()
    control.apply(mock("chat"))
    control.wait_state("chat", "ready")
    control.kill()
    control.start()
    ((name, pid),) = control.pids("chat").items()
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: control.pids("chat").get(name) not in (None, pid) and control.complete("chat") == 200)


def test_desired_state_survives_even_when_everything_is_killed(control: Control) -> None:
    control.start()
    control.apply(mock("chat"))
    control.wait_state("chat", "ready")
    for process in ours(str(control.state.root)):
        process.kill()
    control.started[-1].wait()
    control.start()
    assert control.wait_state("chat", "ready")["replicas_ready"] == 1
    assert control.complete("chat") == 200


def test_a_gateway_that_is_killed_comes_back(control: Control) -> None:
    control.start()
    control.apply(mock("chat"))
    control.wait_state("chat", "ready")
    pid = control.snapshot()["gateway"]["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: control.snapshot()["gateway"]["pid"] not in (None, pid))
    assert control.complete("chat") == 200


def is_logged(control: Control, request_id: str) -> bool:
    log = RequestLog(control.state.requests)
    try:
        return log.find(request_id) is not None
    finally:
        log.close()


def test_a_request_is_explained_after_all_of_the_gateway_was_killed(control: Control) -> None:
    control.start()
    control.apply(mock("chat"))
    control.wait_state("chat", "ready")
    assert control.complete("chat", request_id="remember-me") == 200

    def told(found: str) -> bool:
        status, answer = control.ask("GET", "/explain/remember-me")
        return status == 200 and answer["story"]["found"] == found

    eventually(lambda: told("worker"))
    eventually(lambda: is_logged(control, "remember-me"))
    for process in running(ours(str(control.state.root)), "headway.gateway"):
        process.kill()
    eventually(lambda: told("log"))


def test_a_second_one_steps_back(control: Control) -> None:
    control.start()
    assert control.start().wait(20) == ALREADY_RUNS


def test_a_taken_port_is_one_line_and_nothing_is_left(control: Control, tmp_path: Path) -> None:
    control.start()
    other = Control(tmp_path / "other")
    other.port = control.port
    try:
        assert other.start().wait(20) == 1
        line = other.log().strip().splitlines()[-1]
        assert line.startswith(f"error: port {control.port} is taken")
        assert "--port" in line
        assert not other.state.control_socket.exists()
    finally:
        other.close()


def test_down_ends_one_then_all(control: Control) -> None:
    process = control.start()
    control.apply(mock("a"), mock("b"))
    control.wait_state("a", "ready")
    control.wait_state("b", "ready")
    assert control.ask("POST", "/down", {"name": "a", "grace": 5}) == (200, {"removed": ["a"]})
    assert control.model("a") is None
    assert control.complete("a") == 404
    assert control.complete("b") == 200
    assert control.ask("POST", "/down", {"name": None, "grace": 5}) == (200, {"removed": ["b"]})
    assert process.wait(20) == 0
    assert list(ours(str(control.state.root))) == []
    assert not control.state.control_socket.exists()


def test_asking_for_what_is_not_there(control: Control) -> None:
    control.start()
    for method, path, body in [
        ("POST", "/down", {"name": "nobody", "grace": 1}),
        ("GET", "/explain/nobody", None),
        ("GET", "/logs/nobody", None),
    ]:
        status, told = control.ask(method, path, body)
        assert status in (400, 404), told
        assert "'nobody'" in told["error"]["message"]
    status, told = control.ask("POST", "/apply", {"models": [{"kind": "Model"}], "prune": False, "origin": ""})
    assert status == 400
    assert told["error"]["code"] == "spec_invalid"


def test_a_source_that_cannot_be_pinned_changes_nothing(control: Control) -> None:
    control.start()
    wrong = mock("wrong") | {"source": "builtin://no-such-model"}
    status, told = control.ask("POST", "/apply", {"models": [mock("good"), wrong], "prune": False, "origin": ""})
    assert status >= 400
    assert "no-such-model" in told["error"]["message"]
    assert control.snapshot()["models"] == []


def test_an_engine_that_dies_at_start_is_told_with_its_own_words(control: Control) -> None:
    control.start()
    control.apply(mock("broken", 1, **{"exit-at-start": 3}))
    told = control.wait_state("broken", "failed")
    assert told["reason"] == "CrashLoop"
    assert told["next_action"]
    assert control.complete("broken") == 503

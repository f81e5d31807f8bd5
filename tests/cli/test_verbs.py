"""The command against a real control process, a real gateway and the mock engine (a real server program)."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import running
from tests.support.running import Headway, eventually

MOCK = "kind: Model\nname: {name}\nsource: builtin://mock\nengine: mock\ntask: {task}\n"


def model(headway: Headway, name: str = "chat", more: str = "", task: str = "chat") -> Path:
    return headway.model_file(f"{name}.yaml", MOCK.format(name=name, task=task) + more)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headway]:
    """One for the verbs that only look."""
    made = Headway(tmp_path_factory.mktemp("verbs"))
    made.up_ok(model(made))
    yield made
    made.close()
    assert made.processes() == [], "something of ours still runs"


@pytest.mark.parametrize("verb", ["ls", "status chat", "logs chat", "chat chat hi", "explain chat", "down"])
def test_nothing_runs_is_one_line_and_exit_3(headway: Headway, verb: str) -> None:
    done = headway.run(*verb.split())
    assert done.returncode == 3
    assert done.stderr == "error: no Headway is running here; start one: headway up examples/chat.yaml\n"
    assert done.stdout == ""


def test_up_tells_where_it_is_and_what_next(headway: Headway) -> None:
    done = headway.up(model(headway, more="replicas: 2\n"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"chat  ready  2 replicas  http://127.0.0.1:{headway.port}/v1",
        f"page http://127.0.0.1:{headway.page_port}",
        'Try: headway chat chat "What is the capital of France?"',
    ]
    again = headway.up(model(headway, more="replicas: 2\n"))
    assert "(unchanged)" in again.stdout.splitlines()[0]


def test_the_listing_verbs(serving: Headway) -> None:
    (listed,) = serving.ls()
    assert (listed["name"], listed["state"]) == ("chat", "ready")
    status = serving.status("chat")
    steady = ("name", "state", "task", "engine", "source", "revision", "address", "replicas_wanted", "replicas_ready")
    assert {key: status[key] for key in steady} == {key: listed[key] for key in steady}
    table = serving.run("ls").stdout.splitlines()
    assert table[0].split()[:3] == ["NAME", "STATE", "REPLICAS"]
    assert table[1].split()[:3] == ["chat", "ready", "1/1"]
    told = serving.run("status", "chat").stdout
    assert "chat  ready: 1 of 1 replicas answer" in told
    assert str(listed["replicas"][0]["pid"]) in told
    wrong = serving.run("status", "chap")
    assert (wrong.returncode, wrong.stderr) == (2, "error: no model 'chap' here; models: chat\n")


def test_chat_streams_and_tells_its_speed(serving: Headway) -> None:
    done = serving.run("chat", "chat", "hello there", "--max-tokens", "5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert done.stderr.startswith("5 tokens")
    piped = serving.run("chat", "chat", "--json", input="hello there")
    told = json.loads(piped.stdout)
    assert told["text"]
    assert told["completion_tokens"] > 0
    explained = serving.run("explain", told["request_id"])
    assert explained.returncode == 0, explained.stderr
    assert "the only one that could take it" in explained.stdout
    assert "status 200" in explained.stdout


def test_chat_with_an_embedder_is_one_clear_error(headway: Headway) -> None:
    headway.up_ok(model(headway, "embed", task="embedding"))
    done = headway.run("chat", "embed", "hello")
    assert done.returncode == 2
    address = f"http://127.0.0.1:{headway.port}/v1"
    assert done.stderr == f"error: embed makes embeddings and does not talk; POST {address}/embeddings\n"


def test_explain_a_model(serving: Headway) -> None:
    told = serving.run("explain", "chat").stdout
    assert told.startswith("chat is ready: 1 of 1 replicas answer.")
    assert "threads:" in told
    assert "TooFewReplicas" in told
    as_json = json.loads(serving.run("explain", "chat", "--json").stdout)
    assert as_json["kind"] == "model"


def test_logs_and_a_reader_that_has_enough(serving: Headway) -> None:
    replica = serving.status("chat")["replicas"][0]["name"]
    done = serving.run("logs", "chat")
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(f"{replica} | ") for line in done.stdout.splitlines())
    assert done.stdout
    following = serving.start("logs", "chat", "-f")
    assert following.stdout
    assert following.stdout.readline().startswith(replica)
    following.send_signal(signal.SIGINT)
    _, errors = following.communicate(timeout=20)
    assert (following.returncode, errors) == (130, "")


def test_prune_removes_what_the_file_does_not_name(headway: Headway) -> None:
    headway.up_ok(model(headway, "one"))
    headway.up_ok(model(headway, "two"))
    assert {each["name"] for each in headway.ls()} == {"one", "two"}
    said = headway.up_ok(model(headway, "two"), "--prune")
    assert "one  removed" in said
    assert eventually(lambda: {each["name"] for each in headway.ls()} == {"two"})


def test_down_one_then_all(headway: Headway) -> None:
    headway.up_ok(model(headway, "one"))
    headway.up_ok(model(headway, "two"))
    assert headway.run("down", "one").stdout == "one  removed\n"
    wrong = headway.run("down", "one")
    assert (wrong.returncode, wrong.stderr) == (2, "error: no model 'one' here; models: two\n")
    assert headway.run("down").stdout == "two  removed\neverything is stopped\n"
    assert eventually(lambda: headway.processes() == [])


def test_up_that_fails_leaves_nothing_behind(headway: Headway) -> None:
    done = headway.up(model(headway, "broken", "args: {exit-at-start: 3}\n"))
    assert done.returncode == 1
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("error:")]
    assert line.startswith("error: broken: ")
    assert "logs" in line
    assert eventually(lambda: headway.processes() == [])


def test_up_that_fails_beside_others_takes_its_own_back(headway: Headway) -> None:
    headway.up_ok(model(headway, "good"))
    done = headway.up(model(headway, "broken", "args: {exit-at-start: 3}\n"))
    assert done.returncode == 1
    assert [(each["name"], each["state"]) for each in headway.ls()] == [("good", "ready")]


def test_up_times_out(headway: Headway) -> None:
    done = headway.up(model(headway, "slow", "args: {ready-after: 60}\n"), "--timeout", "1")
    assert done.returncode == 1
    assert "error: slow: not ready within 1 s" in done.stderr
    assert eventually(lambda: headway.processes() == [])


def test_ctrl_c_while_it_starts_leaves_nothing(headway: Headway) -> None:
    path = model(headway, "slow", "args: {ready-after: 60}\n")
    ports = ["--port", str(headway.port), "--page-port", str(headway.page_port)]
    started = headway.start("up", str(path), *ports)
    assert started.stderr
    eventually(lambda: bool(running(headway.processes(), "mock_server")))
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    # A shell shows 130 for both: CPython ends by the signal itself when it came amid an exec, as imports do.
    assert started.returncode in (130, -signal.SIGINT), errors
    assert "Traceback" not in errors
    assert eventually(lambda: headway.processes() == [])


def test_foreground_up_serves_until_ctrl_c(headway: Headway) -> None:
    ports = ["--port", str(headway.port), "--page-port", str(headway.page_port)]
    started = headway.start("up", str(model(headway)), *ports)
    assert started.stdout
    assert started.stdout.readline().startswith("chat  ready")
    assert headway.ls()[0]["state"] == "ready"
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 0, errors
    assert eventually(lambda: headway.processes() == [])


def test_doctor_and_schema_and_version(headway: Headway) -> None:
    found = json.loads(headway.run("doctor", "--json").stdout)
    assert {"python", "cores", "memory", "gpu", "cache", "state", "hub"} <= {each["name"] for each in found}
    assert json.loads(headway.run("schema").stdout)["$schema"]
    assert headway.run("--version").stdout.startswith("headway ")


def test_a_port_that_is_taken(headway: Headway, tmp_path: Path) -> None:
    headway.up_ok(model(headway))
    (tmp_path / "other").mkdir()
    other = Headway(tmp_path / "other")
    other.port = headway.port
    done = other.up(model(headway, "other"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: port {headway.port} is taken by python")
    assert "--port" in done.stderr
    assert other.processes() == []

"""`headway chat` against a gateway that answers well, badly, or stops in the middle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.cli import FakeControl, FakeGateway, Terminal
from tests.support.running import Headway
from tests.support.snapshots import a_model, a_snapshot


def piece(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}}


@pytest.fixture
def talking(control: FakeControl, gateway: FakeGateway) -> FakeGateway:
    """A gateway with one Model for each task."""
    chat, base = a_model("chat"), a_model("base", task="completion")
    for each in (chat, base):
        each.address = gateway.address
    control.show(a_snapshot(chat, base))
    return gateway


def test_what_is_sent(headway: Headway, talking: FakeGateway) -> None:
    talking.streams(piece("Paris"), USAGE)
    options = ["--system", "Be short.", "--max-tokens", "9", "--temperature", "0"]
    done = headway.run("chat", "chat", "Where?", *options)
    assert (done.returncode, done.stdout) == (0, "Paris\n")
    assert done.stderr.startswith("7 tokens, ")
    assert done.stderr.endswith(" s, req-1\n")
    ((path, body),) = talking.asked
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "chat",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 9,
        "temperature": 0.0,
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Where?"}],
    }


def test_a_base_model_goes_on_with_the_text(headway: Headway, talking: FakeGateway) -> None:
    talking.streams({"choices": [{"index": 0, "text": " upon a time"}]}, USAGE)
    done = headway.run("chat", "base", input="Once")
    assert done.stdout == " upon a time\n"
    ((path, body),) = talking.asked
    assert (path, body["prompt"]) == ("/v1/completions", "Once")


def test_json_is_one_pure_object(headway: Headway, talking: FakeGateway) -> None:
    talking.streams(piece("Par"), piece("is"), USAGE)
    done = headway.run("chat", "chat", "Where?", "--json")
    told = json.loads(done.stdout)
    assert (told["text"], told["completion_tokens"], told["request_id"]) == ("Paris", 7, "req-1")
    assert told["first_token_seconds"] >= 0
    assert done.stderr == ""


REFUSED = {"error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}}


@pytest.mark.parametrize(
    ("script", "status", "line"),
    [
        (
            (404, "application/json", [json.dumps(REFUSED).encode()]),
            1,
            "error: no such model; status 404, model_not_found",
        ),
        ((502, "text/html", [b"<h1>Bad\nGateway</h1>"]), 1, "error: status 502: <h1>Bad Gateway</h1>"),
        (
            (200, "text/event-stream", [b"data: nonsense\n\n"]),
            3,
            "error: ADDRESS: no answer as OpenAI gives it: Expecting value: line 1 column 1 (char 0); see headway ls",
        ),
        (
            (200, "text/event-stream", []),
            3,
            "error: ADDRESS: the answer was cut short; see headway ls, and ask again",
        ),
    ],
)
def test_an_answer_that_is_none_is_one_line(
    headway: Headway, talking: FakeGateway, script: tuple[int, str, list[bytes]], status: int, line: str
) -> None:
    talking.script = script
    done = headway.run("chat", "chat", "Where?")
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == f"{line.replace('ADDRESS', talking.address)}\n"


def test_an_answer_that_is_cut_is_told_as_cut(headway: Headway, talking: FakeGateway) -> None:
    """The connection ends politely between two events; without [DONE] that is no whole answer."""
    talking.streams(piece("Pa"), done=False)
    done = headway.run("chat", "chat", "Where?")
    assert (done.returncode, done.stdout) == (3, "Pa\n")
    assert done.stderr == f"error: {talking.address}: the answer was cut short; see headway ls, and ask again\n"


def test_an_error_event_in_mid_stream(headway: Headway, talking: FakeGateway) -> None:
    talking.streams(piece("Pa"), {"error": {"message": "the engine died", "code": "engine_failed"}})
    done = headway.run("chat", "chat", "Where?")
    assert (done.returncode, done.stdout) == (1, "Pa\n")
    assert done.stderr == "error: the answer broke off: the engine died; ask again, or headway explain req-1\n"


def test_a_gateway_that_is_not_there(headway: Headway, control: FakeControl, talking: FakeGateway) -> None:
    address = talking.address
    talking.close()
    done = headway.run("chat", "chat", "Where?")
    assert (done.returncode, done.stderr) == (3, f"error: {address}: Connection refused; see headway ls\n")


def test_nothing_to_say(headway: Headway, talking: FakeGateway) -> None:
    done = headway.run("chat", "chat", input=" \n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'error: nothing to say; headway chat chat "What is the capital of France?"\n'


def test_a_model_that_is_still_starting_is_waited_for(
    headway: Headway, control: FakeControl, talking: FakeGateway
) -> None:
    starting = a_model("chat", state="starting", message="the engine is loading", address=talking.address)
    control.show(a_snapshot(starting))
    talking.streams(piece("Paris"))
    done = headway.run("chat", "chat", "Where?")
    assert done.stdout == "Paris\n"
    assert done.stderr.splitlines()[0] == "chat is starting: the engine is loading; waiting for it ..."


def test_letters_that_the_terminal_lacks(headway: Headway, talking: FakeGateway) -> None:
    talking.streams(piece("café 🚀"))
    headway.env |= {"PYTHONIOENCODING": "latin-1"}
    assert headway.run("chat", "chat", "Where?", encoding="latin-1").stdout == "café ?\n"


def test_a_conversation(headway: Headway, talking: FakeGateway) -> None:
    """Each turn is told what was said before; Ctrl-C and a fault end an answer, and leave no trace in it."""
    talking.streams(piece("Paris"), USAGE)
    terminal = Terminal(headway.command("chat", "chat"), headway.env)
    try:
        terminal.until("> ")
        terminal.type("Where?\n")
        terminal.until("7 tokens")
        terminal.until("> ")
        talking.streams(piece("Well"), done=False)
        talking.holds = True
        terminal.type("Tell me all\n")
        terminal.until("Well")
        terminal.type("\x03")
        terminal.until("(stopped)")
        talking.holds = False
        talking.script = (502, "text/plain", [b"gone"])
        terminal.until("> ")
        terminal.type("And now?\n")
        terminal.until("error: status 502: gone")
        talking.streams(piece("Fine"))
        terminal.until("> ")
        terminal.type("\n")
        terminal.until("> ")
        terminal.type("Again\n")
        terminal.until("tokens")
        terminal.until("> ")
        terminal.type("\x04")
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert [each["content"] for each in talking.asked[-1][1]["messages"]] == ["Where?", "Paris", "Again"]

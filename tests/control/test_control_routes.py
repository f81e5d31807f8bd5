"""Routes and variants, from what is asked of the control process to what callers get."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.store.database import Database
from headway.store.desired import DesiredState
from tests.support.control import Control, mock
from tests.support.running import eventually


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    made = Control(tmp_path)
    yield made
    made.close()


def wish(control: Control, *models: dict[str, Any], routes: tuple[dict[str, Any], ...] = (), **more: Any) -> Any:
    asked = {"models": models, "routes": routes, "prune": False, "origin": "f.yaml"} | more
    return control.ask("POST", "/apply", asked)


def route(name: str, *to: str, **more: Any) -> dict[str, Any]:
    return {"kind": "Route", "name": name, "to": [{"model": each} for each in to]} | more


def complete(control: Control, model: str) -> tuple[int, str, str]:
    """Status, the Replica, the request's id."""
    connection = http.client.HTTPConnection("127.0.0.1", control.port, timeout=20)
    try:
        body = json.dumps({"model": model, "prompt": "hello", "max_tokens": 4})
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["x-headway-replica"] or "", answer.headers["x-request-id"]
    finally:
        connection.close()


def explained(control: Control, request: str) -> Any:
    """The Record of a request."""
    found = eventually(lambda: (told := control.ask("GET", f"/explain/{request}"))[0] == 200 and told[1])
    return found["story"]["record"]


def test_a_route_falls_back_and_explains_itself(control: Control) -> None:
    control.start()
    cold = mock("big", 0)
    fallback = [{"model": "small", "on": ["error"]}, {"model": "small2", "budget": {"day": "1M"}}]
    status, told = wish(
        control, cold, mock("small"), mock("small2"), routes=(route("assistant", "big", fallback=fallback),)
    )
    assert status == 200, told
    assert [(each["name"], each["kind"], each["change"]) for each in told["changes"]][-1] == (
        "assistant",
        "Route",
        "added",
    )
    control.wait_state("small", "ready")
    assert eventually(lambda: control.complete("small") == 200)  # the gateway has heard of it too
    status, replica, request = complete(control, "assistant")
    assert status == 200
    assert replica.startswith("small-")
    record = explained(control, request)
    assert (record["route"], record["model"]) == ("assistant", "small")
    assert [(each["model"], each["why"]) for each in record["steps"]] == [("big", "only_one"), ("small", "on_error")]
    (view,) = control.snapshot()["routes"]
    assert view["models"]["big"] in ("ready", "preparing", "pending")
    assert view["spent"]["small2"]["day"]["budget"] == "1M"
    assert view["spent"]["small2"]["day"]["left"] == 1_000_000
    again = wish(control, routes=(route("assistant", "big", fallback=fallback),))[1]
    assert again["changes"][0]["change"] == "unchanged"
    control.kill()
    control.start()
    assert complete(control, "assistant")[0] == 200, "it outlives the process"
    assert control.ask("POST", "/down", {"name": "assistant", "grace": 5}) == (200, {"removed": ["assistant"]})
    assert eventually(lambda: complete(control, "assistant")[0] == 404)


def test_a_route_keeps_answers_of_its_own(control: Control) -> None:
    control.start()
    own = route("assistant", "chat", cache={"responses": {"which": "all"}})
    assert wish(control, mock("chat"), routes=(own,))[0] == 200
    control.wait_state("chat", "ready")
    first, chat = [explained(control, complete(control, name)[2]) for name in ("assistant", "chat")]
    assert (first["cache"], first["cache_of"], chat.get("cache", "")) == ("miss", "assistant", "")

    def hit() -> Any:  # an answer is kept a moment after it was given
        record = explained(control, complete(control, "assistant")[2])
        return record["cache"] == "hit" and record

    assert eventually(hit)["cache_of"] == "assistant"
    assert control.snapshot()["routes"][0]["route"]["cache"] == {"responses": {"which": "all"}}


def test_names_clash_with_what_is_wanted_already(control: Control) -> None:
    control.start()
    assert wish(control, mock("chat"), places={"chat": "/a/models.yaml:2"})[0] == 200
    status, told = wish(control, routes=(route("chat", "chat2"),), places={"chat": "routes.yaml:7"})
    assert status == 400
    message = told["error"]
    assert (message["file"], message["line"]) == ("routes.yaml", 7)
    assert message["message"] == "chat is the name of a Model (/a/models.yaml:2) and of a Route"
    status, told = wish(control, routes=(route("assistant", "chat", "chta"),))
    assert status == 400
    assert told["error"]["message"] == "there is no Model chta"
    assert control.snapshot()["routes"] == []


def test_variants_run_side_by_side(control: Control) -> None:
    control.start()
    variants = [
        {"name": "fast", "args": {"itl": 0.001}, "price": {"input": "1/1M"}},
        {"name": "slow", "args": {"itl": 0.002}, "replicas": 2, "price": {"input": "0.1/1M"}},
    ]
    model = mock("chat") | {"variants": variants, "slo": {"ttft": "30s"}}
    assert wish(control, model)[0] == 200
    told = control.wait_state("chat", "ready")
    assert told["replicas_ready"] == told["replicas_wanted"] == 3
    assert [(each["name"], each["replicas_ready"]) for each in told["variants"]] == [("fast", 1), ("slow", 2)]
    assert sorted(each["variant"] for each in told["replicas"]) == ["fast", "slow", "slow"]
    assert all(each["name"].startswith(f"chat-{each['variant']}-") for each in told["replicas"])
    assert {complete(control, "chat")[1].split("-")[1] for _ in range(8)} == {"slow"}, "the cheaper, for it is in time"
    assert wish(control, model)[1]["changes"][0]["change"] == "unchanged"
    before = control.pids("chat")
    control.kill()
    control.start()
    assert control.pids("chat") == before, "adopted, each as what it was"
    assert wish(control, model | {"variants": variants[:1]})[0] == 200
    left = eventually(lambda: (found := control.pids("chat")) and len(found) == 1 and found)
    assert left.items() < before.items(), "the one that stays is not touched"
    mixed = [{"name": "fast"}, {"name": "odd", "engine": "openai", "source": "openai://localhost:1/embed"}]
    status, told = wish(control, mock("mixed") | {"variants": mixed, "task": None})
    assert status == 400
    assert "variant odd does embedding, not chat" in told["error"]["message"]


def test_a_store_from_before_is_read(tmp_path: Path) -> None:
    """Ids of Revisions without a Variant are what they were."""
    from headway.spec.revision import Pinned, Revision  # noqa: PLC0415

    assert Revision("m", "mock", Pinned("builtin://mock"), "chat").id == "250d733e27"
    assert DesiredState(Database(tmp_path / "fresh.db")).routes.all() == {}

"""Apps of a control process: real programs, with a key of their own, put to sleep and woken."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import Control, mock
from tests.support.running import eventually

ASKS = """\
import http.server, os, urllib.request, urllib.error

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        code = 200
        if self.path == "/models":
            asked = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/models")
            asked.add_header("authorization", "Bearer " + os.environ["OPENAI_API_KEY"])
            try:
                body = urllib.request.urlopen(asked, timeout=20).read()
            except urllib.error.HTTPError as error:
                code, body = error.code, error.read()
        else:
            body = os.environ["STORAGE"].encode()
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Page).serve_forever()
"""


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    (tmp_path / "asks.py").write_text(ASKS)
    made = Control(tmp_path)
    made.start()
    yield made
    made.close()


def app(folder: Path, name: str = "page", **more: Any) -> dict[str, Any]:
    return {"kind": "App", "name": name, "command": [sys.executable, str(folder / "asks.py")], **more}


def apply(control: Control, *objects: dict[str, Any], prune: bool = False) -> Any:
    asked: dict[str, Any] = {kind: [] for kind in ("models", "tenants", "routes", "apps")}
    for each in objects:
        asked[f"{each['kind'].lower()}s"].append(each)
    status, told = control.ask("POST", "/apply", {**asked, "prune": prune, "origin": "test"})
    return told if status != 200 else {each["name"]: each["change"] for each in told["changes"]}


def view(control: Control, name: str = "page") -> dict[str, Any]:
    return next((each for each in control.snapshot()["apps"] if each["name"] == name), {})


def ready(control: Control, name: str = "page") -> dict[str, Any]:
    found: dict[str, Any] = eventually(lambda: (seen := view(control, name)).get("state") == "ready" and seen)
    return found


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_runs_with_its_own_key_and_storage(control: Control, tmp_path: Path) -> None:
    models = mock("chat"), mock("other")
    made = apply(control, *models, {"kind": "Tenant", "name": "team"}, app(tmp_path, models=["chat"]))
    assert made == {"chat": "added", "other": "added", "team": "added", "page": "added"}
    seen = ready(control)
    assert seen["tenant"] == "team"
    status, listed = get(f"{seen['address']}/models")
    assert status == 200
    assert [each["id"] for each in json.loads(listed)["data"]] == ["chat"], "only what its key may use"
    assert get(seen["address"])[1] == str(control.state.root / "apps" / "page")
    (key,) = control.ask("POST", "/keys/ls", {})[1]["keys"]
    assert (key["name"], key["tenant"], key["state"]) == ("app page", "team", "active")
    secret = control.state.secrets / "app-page" / "key"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.read_text() not in json.dumps(control.snapshot())


def test_an_unchanged_app_is_left_alone_and_another_scope_gets_another_key(control: Control, tmp_path: Path) -> None:
    tenant = {"kind": "Tenant", "name": "team"}
    apply(control, tenant, app(tmp_path))
    before = ready(control)["replicas"][0]["pid"]
    assert apply(control, tenant, app(tmp_path)) == {"team": "unchanged", "page": "unchanged"}
    assert ready(control)["replicas"][0]["pid"] == before
    old = (control.state.secrets / "app-page" / "key").read_text()
    assert apply(control, app(tmp_path, models=["chat"])) == {"page": "changed"}
    assert (control.state.secrets / "app-page" / "key").read_text() != old
    states = sorted(each["state"] for each in control.ask("POST", "/keys/ls", {})[1]["keys"])
    assert states == ["active", "revoked"]


def test_nobody_uses_it_so_it_sleeps_until_it_is_opened(control: Control, tmp_path: Path) -> None:
    apply(control, app(tmp_path, idle="1s"))
    eventually(lambda: view(control).get("state") == "asleep", 60)
    assert not view(control)["replicas"]
    decisions = control.ask("GET", "/explain/page")[1]["decisions"]
    assert any(each["reason"] == "Idle" for each in decisions)
    assert control.ask("POST", "/open/page", {})[0] == 200
    eventually(lambda: any(each["state"] == "ready" for each in view(control)["replicas"]))


def test_who_is_connected_uses_it(control: Control, tmp_path: Path) -> None:
    """It sleeps only after the last connection has ended, however long that was open."""
    apply(control, app(tmp_path, idle="1s"))
    address = ready(control)["address"].removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))):
        first = eventually(lambda: view(control)["used"])
        eventually(lambda: view(control)["used"] > first + 3, 90)
        assert view(control)["state"] == "ready"
    eventually(lambda: view(control)["state"] == "asleep", 60)


def test_it_outlives_the_control_process(control: Control, tmp_path: Path) -> None:
    apply(control, app(tmp_path))
    pid = ready(control)["replicas"][0]["pid"]
    os.kill(control.started[-1].pid, signal.SIGKILL)
    control.started[-1].wait()
    control.start()
    assert ready(control)["replicas"][0]["pid"] == pid


def test_down_ends_it_and_its_key_and_leaves_what_it_stored(control: Control, tmp_path: Path) -> None:
    apply(control, {"kind": "Tenant", "name": "team"}, app(tmp_path))
    ready(control)
    kept = control.state.root / "apps" / "page" / "kept"
    kept.write_text("x")
    assert control.ask("POST", "/down", {"name": "page", "grace": 10})[1] == {"removed": ["page"]}
    assert not view(control)
    assert kept.exists()
    assert not (control.state.secrets / "app-page").exists()
    assert [each["state"] for each in control.ask("POST", "/keys/ls", {})[1]["keys"]] == ["revoked"]


def test_what_cannot_be_is_told_and_changes_nothing(control: Control, tmp_path: Path) -> None:
    several = [{"kind": "Tenant", "name": name} for name in ("one", "two")]
    assert "says no tenant, and there are several" in str(apply(control, *several, app(tmp_path)))
    assert "there is no Tenant nobody" in str(apply(control, several[0], app(tmp_path, tenant="nobody")))
    assert "is the name of a Model" in str(apply(control, mock("page"), app(tmp_path)))
    assert control.snapshot()["apps"] == []
    assert control.snapshot()["tenants"] == []


def test_a_program_that_is_not_here_says_how_to_get_it(control: Control) -> None:
    apply(control, {"kind": "App", "name": "lab", "preset": "vscode", "command": ["no-such-program-here"]})
    seen = eventually(lambda: view(control, "lab").get("state") == "failed" and view(control, "lab"))
    assert "there is no no-such-program-here on this machine" in seen["message"]
    assert "install it: https://coder.com" in seen["message"]

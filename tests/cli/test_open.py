"""An App from the terminal: up, ls, status, open, explain, logs, down."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.support.running import Headway, eventually

FILE = """\
kind: App
name: page
command: [python, -m, http.server, "{port}", --bind, "{host}"]
idle: 1h
"""


def test_an_app_from_the_terminal(headway: Headway, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text(FILE)
    told = headway.up_ok(tmp_path / "app.yaml")
    assert "page  ready  1 replica  http://127.0.0.1:" in told
    assert "Open it: headway open page" in told

    done = headway.run("open", "page", "--json")
    opened = json.loads(done.stdout)
    assert opened["url"] == opened["address"]
    assert opened["password"] == ""
    with urllib.request.urlopen(opened["url"], timeout=30) as answer:
        assert answer.status == 200
    assert headway.run("open", "page").stdout == f"{opened['url']}\n"

    assert opened["address"] in headway.run("ls").stdout
    status = headway.run("status", "page").stdout
    assert status.startswith("page  ready: ")
    assert "stops after 60 min without use" in status
    assert "TooFewReplicas" in headway.run("explain", "page").stdout
    assert "GET / HTTP" in headway.run("logs", "page").stdout

    assert headway.run("down", "page").stdout == "page  removed\n"
    gone = headway.run("open", "page")
    assert (gone.returncode, gone.stderr) == (2, "error: no app 'page' here; apps: none\n")


def test_one_that_cannot_run_says_why_and_leaves_nothing(headway: Headway, tmp_path: Path) -> None:
    (tmp_path / "app.yaml").write_text(FILE.replace("python", "no-such-program"))
    done = headway.up(tmp_path / "app.yaml")
    assert done.returncode == 1
    assert "page: there is no no-such-program on this machine; name a program that is on PATH" in done.stderr
    assert "Traceback" not in done.stderr
    eventually(lambda: not headway.processes())

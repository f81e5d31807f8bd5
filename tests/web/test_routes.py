"""The page's files, its state and its event stream, over real HTTP and without a browser."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

import headway.web
from headway.control.snapshot import Snapshot, TenantView, UsedView
from headway.web.events import Events
from headway.web.page import routes
from tests.support.running import eventually
from tests.support.snapshots import Stage, a_model, a_snapshot
from tests.support.web import serving

STATIC = Path(headway.web.__file__).parent / "static"
TOTAL = 60_000  # bytes: what a first visit fetches


@contextmanager
def asking(origin: str, path: str, method: str = "GET", **headers: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(origin.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        with connection.getresponse() as answer:
            yield answer
    finally:
        connection.close()


def events(answer: http.client.HTTPResponse) -> Iterator[tuple[str, bytes]]:
    """(event name, data) of each event of a stream."""
    name = ""
    while line := answer.readline():
        field, _, value = line.rstrip(b"\n").partition(b":")
        if field == b"event":
            name = value.strip().decode()
        elif field == b"data":
            yield name, value.strip()


def serving_events(stage: Stage, **limits: Any) -> Any:
    stream = Route("/events", Events(stage.snapshot, stage.watch, **limits), methods=["GET"])
    return serving(Starlette(routes=[stream]))


def test_all_that_the_page_names_is_served_with_its_type(origin: str) -> None:
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    with asking(origin, "/") as answer:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        html = answer.read().decode()
    named = set(re.findall(r'(?:src|href)="(/[^"]*)"', html))
    modules = [file.read_text() for file in STATIC.glob("*.js")]
    named |= {f"/static/{name}" for text in modules for name in re.findall(r'from "\./([^"]+)"', text)}
    assert {f"/static/{file.name}" for file in STATIC.iterdir()} - named == {"/static/index.html"}
    for path in named:
        with asking(origin, path) as answer:
            assert answer.status == 200, path
            assert answer.headers["content-type"].split(";")[0] == kinds[Path(path).suffix]


def test_the_page_is_small_and_needs_nothing_from_elsewhere() -> None:
    files = {file.name: file.read_text() for file in STATIC.iterdir()}
    assert sum(len(text.encode()) for text in files.values()) < TOTAL
    for name, text in files.items():
        addresses = set(re.findall(r"https?://[\w.:-]+", text)) - {"http://www.w3.org", "http://HOST:PORT"}
        assert not addresses, name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            name
        )
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", files["index.html"])


def test_a_file_is_sent_once_and_then_revalidated(origin: str) -> None:
    with asking(origin, "/static/app.js") as first:
        etag = first.headers["etag"]
        assert first.read()
    with asking(origin, "/static/app.js", if_none_match=etag) as again:
        assert again.status == 304
        assert again.read() == b""
    with asking(origin, "/static/app.js", if_none_match='"older"') as other:
        assert other.status == 200


@pytest.mark.parametrize("path", ["/static/../page.py", "/static/..%2fpage.py", "/static/%2e%2e/page.py", "/static/"])
def test_nothing_but_the_page_s_files_is_served(origin: str, path: str) -> None:
    with asking(origin, path) as answer:
        assert answer.status == 404


def test_state_is_one_snapshot(origin: str, stage: Stage) -> None:
    stage.show(a_snapshot(a_model("chat")))
    with asking(origin, "/state") as answer:
        assert answer.headers["cache-control"] == "no-store"
        assert msgspec.json.decode(answer.read(), type=Snapshot) == stage.snapshot()


def test_events_tell_each_change_and_end_with_the_watch(origin: str, stage: Stage) -> None:
    with asking(origin, "/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        told = events(answer)
        assert msgspec.json.decode(next(told)[1], type=Snapshot).models == []
        eventually(lambda: stage.watchers == 1)
        stage.show(a_snapshot(a_model("chat", message="two\nlines")))
        name, data = next(told)
        assert name == "snapshot"
        assert msgspec.json.decode(data, type=Snapshot) == stage.snapshot()
        stage.end()
        assert list(told) == []


def test_a_quiet_stream_beats() -> None:
    stage = Stage(a_snapshot())
    with serving_events(stage, beat=0.05) as origin, asking(origin, "/events") as answer:
        told = events(answer)
        assert [next(told)[0] for _ in range(3)] == ["snapshot", "beat", "beat"]
        stage.end()


def test_a_reader_that_leaves_is_forgotten(origin: str, stage: Stage) -> None:
    with asking(origin, "/events") as answer:
        next(events(answer))
        eventually(lambda: stage.watchers == 1)
    eventually(lambda: stage.watchers == 0)


def test_streams_are_bounded_and_come_free_again() -> None:
    stage = Stage(a_snapshot())
    with serving_events(stage, most=1) as origin:
        with asking(origin, "/events") as held:
            next(events(held))
            with asking(origin, "/events") as refused:
                assert refused.status == 503
                assert refused.headers["retry-after"]
                assert b"close one" in refused.read()
        eventually(lambda: stage.watchers == 0)
        with asking(origin, "/events") as answer:
            assert answer.status == 200
            stage.end()


def test_head_of_the_stream_has_no_end_to_wait_for(origin: str, stage: Stage) -> None:
    with asking(origin, "/events", method="HEAD") as answer:
        assert answer.status == 200
        assert answer.read() == b""
    assert stage.watchers == 0


def test_the_page_is_told_nothing_of_tenants() -> None:
    """It asks nobody for a key."""
    used = UsedView("2026-11-21", 3, 1200, 4500)
    tenant = TenantView(
        "research", ["ana@example.com"], None, {}, "normal", 1.0, "metadata", "own", 1, "f.yaml", 0.0, used, used
    )
    snapshot = a_snapshot(a_model())
    snapshot.tenants = [tenant]
    stage = Stage(snapshot)
    app = Starlette(routes=routes(stage.snapshot, stage.watch))
    with serving(app) as origin:
        with asking(origin, "/state") as answer:
            told = answer.read()
        with asking(origin, "/events") as answer:
            _, streamed = next(events(answer))
        stage.end()
    for each in (told, streamed):
        assert b"research" not in each
        assert b"ana@example.com" not in each
        assert msgspec.json.decode(each)["models"][0]["name"] == "chat"
    assert stage.snapshot().tenants == [tenant], "the command is told"

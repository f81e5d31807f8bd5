"""Who may ask the page's address, how, and what every answer tells a browser."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from headway.web.guard import guard
from headway.web.page import routes
from tests.support.snapshots import Stage, a_snapshot
from tests.support.web import serving

GATEWAY = "http://127.0.0.1:8484/v1"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    stage = Stage(a_snapshot())
    protected = Middleware(guard, hosts=["headway.internal.example"], gateway=lambda: GATEWAY)
    with serving(Starlette(routes=routes(stage.snapshot, stage.watch), middleware=[protected])) as origin:
        yield origin.removeprefix("http://")


def ask(address: str, path: str = "/", *, method: str = "GET", host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, headers={} if host is None else {"host": host})
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        return answer
    finally:
        connection.close()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8485", "127.8.9.1:1", "localhost", "LocalHost.:80", "[::1]:8485", "[::1]",
     "headway.internal.example", "HEADWAY.internal.example:443"],
)  # fmt: skip
def test_loopback_and_the_configured_host_are_answered(address: str, host: str) -> None:
    assert ask(address, host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example", "localhost@rebound.example",
     "10.0.0.7:8485", "0.0.0.0", "[2001:db8::1]", "::1", "localhost:80:80", "localhost:port", "", "127.1"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/state", "/events", "/static/app.js"])
def test_other_hosts_are_refused(address: str, host: str, path: str) -> None:
    answer = ask(address, path, host=host)
    assert answer.status == 421
    assert "headway up" in answer.text  # type: ignore[attr-defined]


def test_two_hosts_are_refused(address: str) -> None:
    name, port = address.split(":")
    with socket.create_connection((name, int(port)), timeout=10) as raw:
        raw.sendall(b"GET /state HTTP/1.1\r\nHost: localhost\r\nHost: rebound.example\r\nConnection: close\r\n\r\n")
        assert raw.recv(64).split()[1] in (b"421", b"400")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/state", "/events", "/nothing"])
def test_it_only_reads(address: str, method: str, path: str) -> None:
    assert ask(address, path, method=method).status == 405


@pytest.mark.parametrize("path", ["/", "/state", "/static/style.css", "/static/nothing.js", "/nothing"])
def test_every_answer_binds_the_browser(address: str, path: str) -> None:
    headers = ask(address, path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self' http://127.0.0.1:8484"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


def test_a_refusal_is_bound_too(address: str) -> None:
    assert "content-security-policy" in ask(address, host="rebound.example").headers


@pytest.mark.parametrize(
    ("gateway", "allowed"),
    [
        ("", "'self'"),
        ("https://gateway.example/v1", "'self' https://gateway.example"),
        ("http://[::1]:8484", "'self' http://[::1]:8484"),
        ("http://x; script-src *", "'self'"),
        ("http://user:word@gateway.example", "'self'"),
        ("data:text/html,x", "'self'"),
    ],
)
async def test_the_policy_names_the_gateway_as_it_is_now(gateway: str, allowed: str) -> None:
    sent = await call(guard(Starlette(), gateway=lambda: gateway), {"type": "http", "method": "GET", "path": "/"})
    policy = dict(sent[0]["headers"])[b"content-security-policy"].decode()
    assert f"; connect-src {allowed};" in policy


async def test_websockets_are_closed_unheard() -> None:
    assert await call(guard(Starlette()), {"type": "websocket"}) == [{"type": "websocket.close", "code": 1008}]


async def call(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app({"headers": [(b"host", b"localhost")], "query_string": b"", **scope}, receive, send)
    return sent

"""Who needs no key because they are near: programs and pages of this machine, and no page elsewhere."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from headway.gateway.near import is_local_page, misled
from headway.gateway.table import TenantRule
from headway.wire.openai import Refusal
from tests.gateway.conftest import Start
from tests.support.gateway import GatewayProcess, answers, ask, chat_body, endpoint, gateway_here, key_for, raw, route

ACME, ACME_KEY = key_for("acme")
OURS = [
    *("localhost", "LocalHost.:8484", "api.localhost", "127.0.0.1:8484", "127.8.9.1", "[::1]:8484", "[::1]"),
    *("0.0.0.0:8484", "192.168.1.5", "[fd00::5]:80", "host.docker.internal:8484", "host.containers.internal"),
    f"{socket.gethostname()}:8484",
]
THEIRS = ["rebound.example", "rebound.example:8484", "localhost.rebound.example", "notlocalhost", "127.0.0.1.nip.io"]
THEIRS += ["host.docker.internal.example", "x-localhost"]
OUR_PAGES = ["http://localhost:3000", "https://localhost", "HTTP://127.0.0.1:8080", "http://[::1]:1"]
OUR_PAGES += ["http://ui.localhost"]
OUR_PROGRAMS = ["chrome-extension://abcdef", "tauri://localhost", "vscode-webview://1a2b"]
THEIR_PAGES = ["https://evil.example", "http://localhost.evil.example", "null", "http://192.168.1.5"]
THEIR_PAGES += ["", "file:", "https:x"]
PAGES = [(each, True) for each in OUR_PAGES] + [(each, False) for each in THEIR_PAGES]


@pytest.mark.parametrize("host", [*OURS, ""])
def test_names_that_nobody_else_can_give_away(host: str) -> None:
    assert misled({b"host": host.encode()}) is None


@pytest.mark.parametrize("host", THEIRS)
def test_names_that_can_be_made_to_point_here(host: str) -> None:
    refusal = misled({b"host": host.encode()})
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.code) == (403, "foreign_host")
    assert f"Host is {host!r}" in refusal.message


@pytest.mark.parametrize(("origin", "ours"), PAGES)
def test_pages(origin: str, ours: bool) -> None:
    assert is_local_page(origin.encode()) is ours
    refusal = misled({b"host": b"localhost", b"origin": origin.encode()})
    assert (refusal is None) is ours
    assert refusal is None or f"Origin is {origin!r}" in refusal.message


@pytest.mark.parametrize("origin", OUR_PROGRAMS)
def test_a_programs_own_window_is_no_page_elsewhere(origin: str) -> None:
    assert misled({b"host": b"localhost", b"origin": origin.encode()}) is None


async def test_a_page_elsewhere_reaches_no_model_and_learns_no_name(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        rebound = "host: rebound.example:8484"

        async def asked(path: str, *headers: str, method: str = "POST", body: bytes = b"") -> bytes:
            lines = [f"{method} {path} HTTP/1.1", *headers, f"content-length: {len(body)}", "connection: close", "", ""]
            return await raw(here.port, "\r\n".join(lines).encode() + body)

        call = chat_body()
        said = {"model": "chat", "max_tokens": 5, "messages": [{"role": "user", "content": "?"}]}
        message = json.dumps(said).encode()
        for path, body in (
            ("/v1/chat/completions", call),
            ("/v1/responses", call),
            ("/v1/messages", message),
            ("/v1/messages/count_tokens", message),
        ):
            for header in (rebound, "host: localhost\r\norigin: https://evil.example"):
                told = await asked(path, header, "content-type: text/plain", body=body)
                assert told.startswith(b"HTTP/1.1 403 "), told
                assert b"foreign_host" in told
                assert b"access-control-allow-origin" not in told
        listed = await asked("/v1/models", rebound, method="GET")
        assert b"foreign_host" in listed
        assert b'"chat"' not in listed
        assert b" 200 OK" in await asked("/healthz", rebound, method="GET"), "it tells nothing"
        assert not one.asked
        page = await asked("/v1/chat/completions", "host: localhost:1", "origin: http://ui.localhost:3000", body=call)
        assert page.startswith(b"HTTP/1.1 200 ")
        assert b"access-control-allow-origin: http://ui.localhost:3000\r\n" in page
        assert {each.error for each in here.records()} == {"", "foreign_host"}


async def test_a_key_is_enough_under_any_name(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), tenants=(TenantRule("acme"),), keys=(ACME_KEY,))
    try:
        body = chat_body()
        for lines in (
            ["host: llm.company.example"],
            ["host: llm.company.example", "origin: https://app.company.example"],
        ):
            head = ["POST /v1/chat/completions HTTP/1.1", *lines, f"authorization: Bearer {ACME}"]
            text = "\r\n".join([*head, f"content-length: {len(body)}", "connection: close", "", ""])
            assert (await raw(live.port, text.encode() + body)).startswith(b"HTTP/1.1 200 ")
        refused = await asyncio.gather(*(ask(live.port) for _ in range(2)))
        assert {(each.status, each.error["code"]) for each in refused} == {(401, "invalid_api_key")}
    finally:
        assert live.stop() == 0

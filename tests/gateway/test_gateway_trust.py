"""TLS to engines: verified unless the table says otherwise, by whose certificate it says, with ours where it says."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from headway.gateway.table import EndpointTls
from tests.support.gateway import (
    Here,
    ScriptedEngine,
    answers,
    endpoint,
    eventually,
    gateway_here,
    make_certificate,
    route,
)

Start = Callable[..., Awaitable[ScriptedEngine]]
QUICK = {"wait_seconds": 0.2, "cooldown_seconds": 0.05, "cooldown_max_seconds": 0.05, "tick_seconds": 0.01}


@pytest.fixture
def pairs(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    """Certificate and key: of the engine, of another one, of the gateway."""
    made = {}
    for name in ("engine", "other", "gateway"):
        (tmp_path / name).mkdir()
        made[name] = make_certificate(tmp_path / name)
    return made


@pytest.fixture
async def secure(pairs: dict[str, tuple[Path, Path]]) -> AsyncIterator[Start]:
    started: list[ScriptedEngine] = []

    async def start(*, asks_for: Path | None = None) -> ScriptedEngine:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pairs["engine"])
        if asks_for:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(asks_for)
        started.append(await ScriptedEngine(answers()).start(context))
        return started[-1]

    yield start
    for one in started:
        await one.stop()


async def said_by(here: Here) -> tuple[int, str]:
    """The status, and how the first try failed."""
    got = await here.ask()
    return got.status, here.last.attempts[0].failure


async def test_an_engine_is_believed_by_its_authority_and_its_name(
    tmp_path: Path, secure: Start, pairs: dict[str, tuple[Path, Path]]
) -> None:
    one = await secure()
    named, numbered = f"https://localhost:{one.port}", f"https://127.0.0.1:{one.port}"
    ca, other = str(pairs["engine"][0]), str(pairs["other"][0])
    cases: list[tuple[str, EndpointTls | None, bool]] = [
        (named, EndpointTls(ca=ca), True),
        (numbered, EndpointTls(ca=ca, server_name="localhost"), True),
        (numbered, EndpointTls(verify="none"), True),
        (named, None, False),
        (named, EndpointTls(ca=other), False),
        (numbered, EndpointTls(ca=ca), False),
        (named, EndpointTls(ca=ca, server_name="elsewhere"), False),
    ]
    async with gateway_here(tmp_path, **QUICK) as here:
        for number, (url, tls, good) in enumerate(cases):
            here.use(route(endpoint(url, f"e{number}", tls=tls)))
            status, failure = await said_by(here)
            assert (status, failure[:3]) == ((200, "") if good else (503, "tls")), (url, tls)


async def test_an_engine_may_ask_who_we_are(tmp_path: Path, secure: Start, pairs: dict[str, tuple[Path, Path]]) -> None:
    one = await secure(asks_for=pairs["gateway"][0])
    url, ca = f"https://localhost:{one.port}", str(pairs["engine"][0])
    cert, key = map(str, pairs["gateway"])
    async with gateway_here(tmp_path, route(endpoint(url, tls=EndpointTls(ca=ca))), **QUICK) as here:
        assert (await said_by(here))[0] in (502, 503)
        here.use(route(endpoint(url, tls=EndpointTls(ca=ca, cert=cert, key=key))))
        assert (await said_by(here)) == (200, "")


async def test_a_renewed_authority_is_followed(
    tmp_path: Path, secure: Start, pairs: dict[str, tuple[Path, Path]], caplog: pytest.LogCaptureFixture
) -> None:
    one = await secure()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pairs["other"][0].read_bytes())
    url = f"https://localhost:{one.port}"
    async with gateway_here(tmp_path, route(endpoint(url, tls=EndpointTls(ca=str(ca)))), **QUICK) as here:
        assert (await said_by(here))[0] == 503
        ca.write_text("not PEM")

        async def warned() -> bool:
            await here.ask()
            return "the certificates in use stay" in caplog.text

        await eventually(warned)
        ca.write_bytes(pairs["engine"][0].read_bytes())

        async def believed() -> bool:
            return (await here.ask()).status == 200

        await eventually(believed)


async def test_files_that_are_not_there_are_named(tmp_path: Path, secure: Start) -> None:
    one = await secure()
    wrong = endpoint(f"https://localhost:{one.port}", tls=EndpointTls(ca=str(tmp_path / "none.pem")))
    async with gateway_here(tmp_path, route(wrong), **QUICK) as here:
        got = await here.ask()
        assert (got.status, got.error["code"]) == (503, "model_not_ready")
        assert "see the gateway's log" in got.error["message"]

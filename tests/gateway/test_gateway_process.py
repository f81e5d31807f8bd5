"""The worker as a process: its start, signals, table file and size; engines that are killed under load."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from headway.gateway.settings import Tunable
from tests.gateway.conftest import Start
from tests.support.gateway import (
    GATE,
    ROOT,
    STREAM_HEAD,
    Answer,
    GatewayProcess,
    ScriptedEngine,
    answers,
    ask,
    chat_body,
    chunked,
    endpoint,
    event,
    eventually,
    make_certificate,
    raw,
    request_bytes,
    route,
    sends,
    streams,
)


async def test_it_follows_its_table_by_signal_and_by_looking(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path)
    gateways.append(live)
    assert (await ask(live.port, "/readyz", "GET")).status == 503
    assert (await ask(live.port, "/healthz", "GET")).status == 200
    assert (await ask(live.port)).error["code"] == "model_not_found"
    live.use(route(endpoint(one.url)), hang_up=False)  # found within a second
    await until_status(live, "/readyz", 200)
    assert (await ask(live.port)).status == 200
    live.table.write_text("{")
    live.use(route(name="other"))
    await until_status(live, "/v1/models/other", 200)
    assert (await live.stats()).table_version == 2
    records = await live.records()
    assert [(r.status, r.error) for r in records.records] == [(404, "model_not_found"), (200, "")]
    assert live.stop() == 0
    assert not live.socket.exists()


async def until_status(live: GatewayProcess, path: str, status: int) -> None:
    async def seen() -> bool:
        return (await ask(live.port, path, "GET")).status == status

    await eventually(seen)


async def test_sigterm_lets_running_requests_end(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), GATE, chunked(b"data: [DONE]\n\n"), b"0\r\n\r\n"))
    live = GatewayProcess(tmp_path, route(endpoint(one.url)))
    gateways.append(live)
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", live.port)
    idle_writer.write(request_bytes("/healthz", "GET", close=False))
    await idle_reader.readuntil(b"ok\n")
    reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
    writer.write(request_bytes(body=chat_body(stream=True), close=False))
    data = await reader.readuntil(event("a"))
    live.child.terminate()
    assert await asyncio.wait_for(idle_reader.read(), 10) == b""  # idle connections are closed
    with pytest.raises(OSError):  # noqa: PT011 (refused: it listens no more)
        await asyncio.open_connection("127.0.0.1", live.port)
    assert live.child.poll() is None
    one.gate.set()
    data += await asyncio.wait_for(reader.read(), 10)
    assert Answer.parse(data).events[-1] == "[DONE]"
    assert live.child.wait(10) == 0
    writer.close()
    idle_writer.close()


async def test_a_second_signal_ends_at_once_and_says_so(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), then="hang"))
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), route(name="none"))
    gateways.append(live)
    streaming = asyncio.create_task(ask(live.port, stream=True))
    waiting = asyncio.create_task(ask(live.port, model="none"))
    await eventually(lambda: one.running)

    async def one_waits() -> bool:
        return (await live.stats()).waiting == 1

    await eventually(one_waits)
    live.child.terminate()
    await eventually(lambda: refuses(live.port))
    live.child.terminate()
    ended = await streaming
    assert ended.events[-1]["error"]["code"] == "shutting_down"
    held = await waiting
    assert (held.status, held.error["code"]) == (503, "shutting_down")
    assert live.child.wait(10) == 0


async def refuses(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


def test_a_taken_port_is_one_clear_line(tmp_path: Path, gateways: list[GatewayProcess]) -> None:
    first = GatewayProcess(tmp_path, route())
    gateways.append(first)
    with socket.create_server(("127.0.0.1", 0)) as other:
        for port in (first.port, other.getsockname()[1]):
            argv = [
                sys.executable,
                "-m",
                "headway.gateway",
                "--table",
                str(tmp_path / "t"),
                "--port",
                str(port),
            ]
            done = subprocess.run(
                [*argv, "--socket", str(tmp_path / "x.sock")],
                capture_output=True,
                text=True,
                cwd=ROOT,
                check=False,
            )
            assert done.returncode == 1
            lines = [line for line in done.stderr.splitlines() if "not there yet" not in line]
            hint = "stop what listens there, or choose another --port"
            assert lines == [f"headway gateway: 127.0.0.1:{port} is taken; {hint}"]


async def test_two_workers_share_a_port(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), workers=2)
    gateways.append(live)
    for _ in range(60):
        assert (await ask(live.port)).status == 200
    stats = await live.stats()
    assert (stats.requests_total, stats.endpoints[0].total) == (60, 60)
    shares = [worker.children() or worker.net_connections() for worker in psutil.Process(live.child.pid).children()]
    assert len(shares) == 2
    text = (await ask(live.port, "/metrics", "GET")).body.decode()
    assert 'headway_gateway_requests_total{model="chat",operation="chat",status="200"} 60.0' in text
    assert "headway_gateway_workers 2.0" in text
    assert len((await live.records()).records) == 60


def test_it_imports_no_more_than_it_needs() -> None:
    """It is on the cold-start path, and its memory is every worker's."""
    code = "import sys, headway.gateway.__main__, headway.gateway.worker; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    for heavy in ("pydantic", "rich", "starlette", "typer", "prometheus_client", "numpy", "ruamel"):
        assert heavy not in loaded.stdout.split()


async def test_a_crowd_of_slow_callers_does_not_take_it_down(tmp_path: Path, gateways: list[GatewayProcess]) -> None:
    live = GatewayProcess(tmp_path, route(expected=False))
    gateways.append(live)
    crowd = []
    for n in range(300):
        _, writer = await asyncio.open_connection("127.0.0.1", live.port)
        writer.write((b"", b"POST /v1/chat", request_bytes(body=chat_body())[:-5])[n % 3])
        crowd.append(writer)
    assert (await ask(live.port, "/healthz", "GET")).status == 200
    assert (await ask(live.port)).status == 503
    for writer in crowd:
        writer.close()

    async def all_gone() -> bool:
        return b"headway_gateway_connections 1.0" in (await ask(live.port, "/metrics", "GET")).body

    await eventually(all_gone)


# engines that are killed


async def test_tls_to_a_provider(
    tmp_path: Path, gateways: list[GatewayProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    one = await ScriptedEngine(answers(), streams("a")).start(context)
    url = f"https://localhost:{one.port}/v9"
    try:
        (tmp_path / "untrusted").mkdir()
        untrusting = GatewayProcess(tmp_path / "untrusted", route(endpoint(url)))
        gateways.append(untrusting)
        refused = await ask(untrusting.port, headers=["x-headway-timeout: 1s"])
        assert refused.status == 504
        assert "tls" in (await untrusting.records()).records[0].attempts[0].failure
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        live = GatewayProcess(tmp_path, route(endpoint(url)))
        gateways.append(live)
        assert (await ask(live.port)).status == 200
        assert (await ask(live.port, stream=True)).events[-1] == "[DONE]"
        assert one.asked[0].line == "POST /v9/v1/chat/completions HTTP/1.1"
        assert one.asked[0].headers["host"] == f"localhost:{one.port}"
    finally:
        await one.stop()


def test_start_and_size(tmp_path: Path, gateways: list[GatewayProcess]) -> None:
    """The start is printed (-s), never asserted; the bound of the memory is well above what is seen."""
    began = time.monotonic()
    live = GatewayProcess(tmp_path, route())
    gateways.append(live)
    start = time.monotonic() - began
    asyncio.run(raw(live.port, request_bytes("/v1/models", "GET")))
    rollup = Path(f"/proc/{live.child.pid}/smaps_rollup")
    if not rollup.exists():
        pytest.skip("needs /proc/PID/smaps_rollup")
    pss = next(int(line.split()[1]) for line in rollup.read_text().splitlines() if line.startswith("Pss:"))
    print(f"listening after {start:.3f} s, PSS {pss / 1024:.1f} MB")
    assert pss < 60 * 1024


async def test_settings_change_with_the_table(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)))
    gateways.append(live)
    assert (await ask(live.port)).status == 200
    live.settings = Tunable(body_bytes=10)
    live.use(route(endpoint(one.url)))

    async def refused() -> bool:
        return (await ask(live.port)).status == 413

    await eventually(refused)
    live.table.write_text('{"models": [], "settings": {"body_byte": 20}}')
    os.kill(live.child.pid, signal.SIGHUP)
    await eventually(lambda: "body_byte" in live.log.read_text())
    assert (await ask(live.port)).status == 413
    live.settings = None
    live.use(route(endpoint(one.url)))

    async def answered() -> bool:
        return (await ask(live.port)).status == 200

    await eventually(answered)

"""Callers over TLS: the certificate, its renewal without a restart, and what is said when it cannot be used."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from tests.gateway.conftest import Start
from tests.support.gateway import ROOT, GatewayProcess, answers, endpoint, eventually, make_certificate, route, streams


async def serial(port: int, trusted: Path) -> str:
    """Of the certificate that a new connection gets."""
    context = ssl.create_default_context(cafile=str(trusted))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    found = writer.get_extra_info("peercert")
    writer.close()
    await writer.wait_closed()
    return str(found["serialNumber"])


async def test_callers_over_tls_and_a_certificate_that_is_renewed(
    tmp_path: Path, engine: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await engine(answers(), streams("a", "b"))
    certificate, key = make_certificate(tmp_path)
    pair = ("--tls-cert", str(certificate), "--tls-key", str(key))
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=pair, workers=2)
    try:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        base = f"https://localhost:{live.port}/v1"
        async with openai.AsyncOpenAI(base_url=base, api_key="unused", max_retries=0) as client:
            said = await client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hi"}])
            assert said.choices[0].message.content == "Paris."
            stream = await client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            assert [chunk.choices[0].delta.content async for chunk in stream] == ["a", "b"]
        first = await serial(live.port, certificate)
        whole = key.read_text()
        key.write_text("half")  # as it may be seen in mid-renewal
        await eventually(lambda: "the certificate in use stays" in live.log.read_text())
        key.write_text(whole)
        assert await serial(live.port, certificate) == first
        make_certificate(tmp_path)

        async def renewed() -> bool:
            try:
                return await serial(live.port, certificate) != first
            except ssl.SSLCertVerificationError:
                return False

        await eventually(renewed)
    finally:
        live.stop()


async def test_a_certificate_in_a_mounted_secret_is_renewed(tmp_path: Path, engine: Start) -> None:
    """As a kubelet renews a volume: a new folder, and one link that is swapped."""
    one, mount = await engine(answers()), tmp_path / "tls"
    mount.mkdir()

    def write(version: str) -> Path:
        folder = mount / f"..{version}"
        folder.mkdir()
        certificate, key = make_certificate(folder)
        certificate.rename(folder / "tls.crt")
        key.rename(folder / "tls.key")
        link = mount / "..data_tmp"
        link.symlink_to(folder.name)
        link.rename(mount / "..data")
        return folder / "tls.crt"

    first = write("one")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(f"..data/{name}")
    pair = ("--tls-cert", str(mount / "tls.crt"), "--tls-key", str(mount / "tls.key"))
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=pair)
    try:
        before = await serial(live.port, first)
        second = write("two")

        async def renewed() -> bool:
            try:
                return await serial(live.port, second) != before
            except ssl.SSLCertVerificationError:
                return False

        await eventually(renewed)
    finally:
        live.stop()


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (("--tls-cert", "c.pem"), 2, "give both or neither"),
        (("--tls-cert", "none.pem", "--tls-key", "none.pem"), 1, "none.pem: no such file"),
        (("--tls-cert", "empty.pem", "--tls-key", "empty.pem"), 1, "not usable for TLS"),
    ],
)
def test_a_bad_certificate_is_one_clear_line(tmp_path: Path, options: tuple[str, ...], status: int, says: str) -> None:
    (tmp_path / "empty.pem").touch()
    argv = [sys.executable, "-m", "headway.gateway", "--table", "t.json", "--port", "0", *options]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=env, check=False, timeout=30)
    assert done.returncode == status
    (line,) = done.stderr.splitlines()
    assert line.startswith("headway gateway: ")
    assert says in line

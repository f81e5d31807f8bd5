"""A real llama-server with a real model behind a gateway, for as long as a module's tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.gateway import GatewayProcess, endpoint, eventually, route
from tests.support.ports import free_port

__all__ = ["Real", "real_gateway"]


@dataclass
class Real:
    gateway: GatewayProcess
    engine_url: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def idle(self) -> bool:
        """The engine does nothing now, by its own word."""
        with urllib.request.urlopen(f"{self.engine_url}/metrics", timeout=5) as answer:
            return b"llamacpp:requests_processing 0" in answer.read()


@contextlib.contextmanager
def real_gateway(folder: Path, *flags: str) -> Iterator[Real]:
    server = os.environ.get("HEADWAY_TEST_LLAMA_SERVER") or shutil.which("llama-server")
    weights = os.environ.get("HEADWAY_TEST_SMOLLM2", "")
    if not server or not Path(weights).is_file():
        pytest.skip("needs llama-server (HEADWAY_TEST_LLAMA_SERVER) and a SmolLM2 GGUF (HEADWAY_TEST_SMOLLM2)")
    port = free_port()
    argv = [server, "-m", weights, "--host", "127.0.0.1", "--port", str(port), "--threads", "1", "-c", "4096"]
    with (folder / "engine.log").open("wb") as log:
        engine = subprocess.Popen([*argv, "--parallel", "4", "--metrics", *flags], stdout=log, stderr=log)
    try:
        asyncio.run(eventually(lambda: healthy(port), deadline=60))
        gateway = GatewayProcess(folder, route(endpoint(f"http://127.0.0.1:{port}")))
        yield Real(gateway, f"http://127.0.0.1:{port}")
        assert gateway.stop() == 0
    finally:
        engine.terminate()
        engine.wait(10)


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

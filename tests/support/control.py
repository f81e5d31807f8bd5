"""A control process for a test, asked over its socket, with mock engines (real programs, no weights)."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from headway.paths import StateDir
from tests.support.ports import free_port
from tests.support.running import eventually, ours

__all__ = ["Control", "mock"]


def mock(name: str, replicas: int = 1, **args: Any) -> dict[str, Any]:
    """A Model as the command sends it."""
    return {
        "kind": "Model",
        "name": name,
        "source": "builtin://mock",
        "engine": "mock",
        "task": "chat",
        "replicas": str(replicas),
        "args": args,
    }


class Control:
    def __init__(self, folder: Path) -> None:
        self.state = StateDir(folder / "state").create()
        self.port, self.page_port = free_port(), free_port()
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start one and wait until it answers or ends. `options` of its gateway."""
        log = self.state.logs / "control.log"
        argv = [sys.executable, "-m", "headway.cli.control_process", "--state-dir", str(self.state.root)]
        argv += ["--host", "127.0.0.1", "--port", str(self.port), "--page-port", str(self.page_port)]
        argv += [f"--gateway-option={each}" for each in options]
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | {"HEADWAY_STATE_DIR": str(self.state.root)},
                start_new_session=True,
            )
        self.started.append(process)
        eventually(lambda: process.poll() is not None or self._answers())
        return process

    def log(self) -> str:
        return (self.state.logs / "control.log").read_text(errors="replace")

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = _UnixConnection(str(self.state.control_socket))
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def apply(self, *models: dict[str, Any], prune: bool = False) -> list[dict[str, str]]:
        status, told = self.ask("POST", "/apply", {"models": list(models), "prune": prune, "origin": "test"})
        assert status == 200, told
        changes: list[dict[str, str]] = told["changes"]
        return changes

    def snapshot(self) -> dict[str, Any]:
        status, told = self.ask("GET", "/state")
        assert status == 200, told
        found: dict[str, Any] = told
        return found

    def model(self, name: str) -> dict[str, Any] | None:
        return next((each for each in self.snapshot()["models"] if each["name"] == name), None)

    def wait_state(self, name: str, state: str) -> dict[str, Any]:
        found = eventually(lambda: (told := self.model(name)) and told["state"] == state and told)
        assert isinstance(found, dict)
        return found

    def pids(self, name: str) -> dict[str, int]:
        told = self.model(name) or {"replicas": []}
        return {each["name"]: each["pid"] for each in told["replicas"]}

    def kill(self) -> None:
        self.started[-1].send_signal(signal.SIGKILL)
        self.started[-1].wait()

    def complete(self, model: str, timeout: float = 20, request_id: str = "") -> int:
        """One completion through the gateway; its status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            body = json.dumps({"model": model, "prompt": "hello", "max_tokens": 4})
            headers = {"content-type": "application/json"} | ({"x-request-id": request_id} if request_id else {})
            connection.request("POST", "/v1/completions", body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def close(self) -> None:
        for process in ours(str(self.state.root)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        for each in self.started:
            each.wait()

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/state")[0] == 200
        except OSError:
            return False


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

"""A whole Headway for a test: its own state directory and ports, the cache shared with everybody."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.support.ports import free_port

__all__ = ["EXAMPLES", "Headway", "eventually", "ours"]

EXAMPLES = Path(__file__).parents[2] / "examples"


def eventually(what: Callable[[], Any], deadline: float = 30.0) -> Any:
    """The first true value of `what()`, asked again and again until the deadline."""
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        if found := what():
            return found
        with contextlib.suppress(InterruptedError):
            time.sleep(0.02)
    raise AssertionError(f"not within {deadline} s: {what}")


class Headway:
    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.port, self.page_port = free_port(), free_port()
        self.env = os.environ | {"HEADWAY_STATE_DIR": str(self.state), "NO_COLOR": "1", "COLUMNS": "200"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "headway", *arguments]

    def run(self, *arguments: str, timeout: float = 120, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.env, capture_output=True, text=True, timeout=timeout, check=False, **more
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """As a terminal starts it: a background job of a shell would ignore Ctrl-C."""
        return subprocess.Popen(
            self.command(*arguments),
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def up(self, target: str | Path, *options: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        ports = ["--port", str(self.port), "--page-port", str(self.page_port)]
        return self.run("up", str(target), "-d", *ports, *options, timeout=timeout)

    def up_ok(self, target: str | Path, *options: str) -> str:
        done = self.up(target, *options)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.control_log()}"
        return done.stdout

    def ls(self) -> list[dict[str, Any]]:
        done = self.run("ls", "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def status(self, name: str) -> dict[str, Any]:
        done = self.run("status", name, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def pids(self, name: str) -> dict[str, int]:
        """Replica -> pid of its engine."""
        return {each["name"]: each["pid"] for each in self.status(name)["replicas"]}

    def control_pid(self) -> int:
        return int((self.state / "control.lock").read_text())

    def control_log(self) -> str:
        log = self.state / "logs" / "control.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def processes(self) -> list[psutil.Process]:
        """Everything of ours that runs: control process, gateway, engines."""
        return list(ours(str(self.state)))

    def close(self) -> None:
        if (self.state / "run" / "control.sock").exists():
            self.run("down", timeout=60)
        left = self.processes()
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=10)

    def model_file(self, name: str, text: str) -> Path:
        path = self.state.parent / name
        path.write_text(text)
        return path


def ours(state: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if process.pid != os.getpid() and environment.get("HEADWAY_STATE_DIR") == state:
                yield process

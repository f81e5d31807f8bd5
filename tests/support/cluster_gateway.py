"""`headway gateway --cluster` as a process, whose state folder outlives it like a pod's volume."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from headway.paths import StateDir
from tests.support.gateway import ROOT, ask, eventually
from tests.support.ports import free_port
from tests.support.running import ours

__all__ = ["ClusterGateway"]


class ClusterGateway:
    def __init__(
        self, folder: Path, kubeconfig: Path, *options: str, namespace: str = "headway", part: str = "gateway"
    ) -> None:
        self.state = StateDir(folder / "state")
        self.port, self.log = free_port(), folder / "gateway.log"
        self._argv = [sys.executable, "-m", "headway", part, "--cluster", "--namespace", namespace]
        self._argv += ["--host", "127.0.0.1", "--port", str(self.port), *options]
        self._env = os.environ | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)}
        self._env |= {"HEADWAY_STATE_DIR": str(self.state.root)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True
            )

    async def until(self, path: str, status: int) -> None:
        async def seen() -> bool:
            with contextlib.suppress(OSError):
                return (await ask(self.port, path, "GET")).status == status
            return False

        await eventually(seen, 30, f"{path} answers {status}: {self.said()[-2000:]}")

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self) -> int:
        """As Kubernetes ends a container; its status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for each in ours(str(self.state.root)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)

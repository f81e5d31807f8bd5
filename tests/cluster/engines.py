"""Mock engines behind simulated pods: one program for each, listening on the pod's own address and port.

What the pod's own manifest says is done as a kubelet does it: its readiness probe is asked, its preStop hook is run
(with 127.0.0.1 and localhost meaning the pod), then SIGTERM, then SIGKILL when the grace is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import httpx2

from headway.wire.kube.manifest import Manifest, labels
from tests.cluster.ending import end_with_us

__all__ = ["Engine", "flags_of", "ports_of", "probe_of"]

ROOT = Path(__file__).parents[2]
MODEL = "headway.dev/model"


class Engine:
    """`open` starts it, `ready` asks the probe once, `close` ends it as a kubelet would."""

    def __init__(self, pod: Manifest, address: str, log: Path, more: tuple[str, ...] = ()) -> None:
        self._pod, self._address, self._log, self._more = pod, address, log, more
        self._process: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        argv = [sys.executable, "-P", "-m", "headway.engines.mock_server", "--host", self._address,
                "--port", str(ports_of(self._pod)[0]), *flags_of(self._pod), *self._more]  # fmt: skip
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                preexec_fn=end_with_us,
            )

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def ready(self, http: httpx2.AsyncClient) -> bool:
        port, path = probe_of(self._pod)
        if not path:
            return True
        with contextlib.suppress(httpx2.HTTPError):
            answer = await http.get(f"http://{self._address}:{port}{path}", timeout=2.0)
            return 200 <= answer.status_code < 400
        return False

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        if self._process and self.runs:
            self._process.kill()

    async def close(self, grace: float, http: httpx2.AsyncClient) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._hook(http)
                if self._process and self.runs:
                    self._process.terminate()
                    await self._process.wait()
        self.kill()
        if self._process:
            await self._process.wait()

    async def _hook(self, http: httpx2.AsyncClient) -> None:
        hook = (self._pod["spec"]["containers"][0].get("lifecycle") or {}).get("preStop") or {}
        if seconds := hook.get("sleep", {}).get("seconds"):
            await asyncio.sleep(seconds)
        if asked := hook.get("httpGet"):
            port = _number(self._pod, asked["port"])
            with contextlib.suppress(httpx2.HTTPError):
                await http.get(f"http://{self._address}:{port}{asked.get('path', '/')}", timeout=None)
        if argv := hook.get("exec", {}).get("command"):
            await self._run([self._here(word) for word in argv])

    async def _run(self, argv: list[str]) -> None:
        env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        with self._log.open("ab") as log, contextlib.suppress(FileNotFoundError):
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )
            try:
                await process.wait()
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    def _here(self, word: str) -> str:
        return word.replace("127.0.0.1", self._address).replace("localhost", self._address)


def ports_of(pod: Manifest) -> list[int]:
    return [each["containerPort"] for each in pod["spec"]["containers"][0].get("ports") or ()]


def probe_of(pod: Manifest) -> tuple[int, str]:
    """Port and path of the first container's readiness probe; no path: it has none over HTTP."""
    asked: dict[str, Any] = (pod["spec"]["containers"][0].get("readinessProbe") or {}).get("httpGet") or {}
    return (_number(pod, asked["port"]), asked.get("path", "/")) if asked else (0, "")


def flags_of(pod: Manifest) -> list[str]:
    """Under which name the model is served: as the container's own arguments say, else as its label does."""
    container = pod["spec"]["containers"][0]
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    for at, word in enumerate(words):
        name, joined, value = word.partition("=")
        if name in {"--served-model-name", "--alias"}:
            return ["--alias", value if joined else words[at + 1]]
    return ["--alias", labels(pod)[MODEL]] if MODEL in labels(pod) else []


def _number(pod: Manifest, port: int | str) -> int:
    """A port may be a name."""
    if isinstance(port, int):
        return port
    for each in pod["spec"]["containers"][0].get("ports") or ():
        if each.get("name") == port:
            return int(each["containerPort"])
    raise AssertionError(f"no port {port!r} in {pod['metadata']['name']}")

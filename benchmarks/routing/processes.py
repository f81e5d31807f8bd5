"""Child processes of the benchmark: started with a log, waited for, ended, and what CPU time they used."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

__all__ = ["BenchError", "Child", "answers", "busy_seconds", "free_ports", "until"]

START_SECONDS = 60.0
STOP_SECONDS = 10.0


class BenchError(Exception):
    """The benchmark cannot go on; the text says why."""


class Child:
    """A process with its children. `with Child(...)` ends it."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        self.name, self.log = name, log
        with log.open("wb") as file:
            self._process = subprocess.Popen(argv, stdout=file, stderr=file, env={**os.environ, **(environ or {})})

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def cpu_seconds(self) -> float:
        """User and system, of all its processes that live."""
        try:
            me = psutil.Process(self._process.pid)
            times = [each.cpu_times() for each in (me, *me.children(recursive=True))]
        except psutil.NoSuchProcess:
            raise BenchError(f"{self.name} ended by itself:\n{self.tail()}") from None
        return sum(each.user + each.system for each in times)

    def check(self) -> None:
        if (status := self._process.poll()) is not None:
            raise BenchError(f"{self.name} ended with status {status}:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_SECONDS)


def until(child: Child, ready: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait for it while the process lives."""
    end = time.monotonic() + seconds
    while not ready():
        child.check()
        if time.monotonic() > end:
            raise BenchError(f"{child.name}: {what}: not within {seconds:g} s:\n{child.tail()}")
        time.sleep(0.02)


def answers(url: str, holds: bytes = b"", body: bytes | None = None) -> bool:
    """Whether it answers 200 with a body that holds this."""
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return holds in answer.read()
    except (http.client.HTTPException, OSError):
        return False


def free_ports(count: int) -> list[int]:
    """All at once, so that they are unlike."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def busy_seconds() -> float:
    """CPU time of the whole machine that was not idle."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))

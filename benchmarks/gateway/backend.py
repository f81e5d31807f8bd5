"""The null backend (backend.c) as a child process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.gateway import native
from benchmarks.gateway.probe import ask
from benchmarks.gateway.process import BenchError, Child

__all__ = ["Backend"]

ENDPOINTS = 8
START_SECONDS = 30.0


class Backend:
    def __init__(self, cache: Path, core: int, log: Path) -> None:
        self._child = Child([str(native.build("backend", cache)), str(ENDPOINTS)], core, log, reads=True)
        try:
            self.ports = tuple(int(port) for port in self._child.line(START_SECONDS).split()[1:])
        except BaseException:
            self._child.stop()
            raise

    @property
    def pid(self) -> int:
        return self._child.pid

    def set_pace(self, microseconds: int) -> None:
        """Between the events of streams that begin from now on."""
        self._ask("PUT", f"/pace/{microseconds}")

    def counts(self) -> tuple[int, list[int]]:
        """Renders, and completions by endpoint, since it started."""
        counts: dict[str, Any] = json.loads(self._ask("GET", "/counts"))
        return counts["renders"], counts["completions"]

    def stop(self) -> None:
        self._child.stop()

    def _ask(self, method: str, path: str) -> bytes:
        try:
            return ask(self.ports[0], method, path)[1]
        except OSError as error:
            raise BenchError(f"the backend does not answer ({error}): {self._child.last_words()}") from error

"""The engines of a run, fresh for each: eight mock ones in one process."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from benchmarks.routing.processes import Child, until
from benchmarks.routing.workloads import Fleet

__all__ = ["MODEL", "ROOT", "Engines", "MockEngines"]

MODEL = "chat-model"
PROFILE = "qwen32b-2xh100"
ROOT = Path(__file__).resolve().parents[2]


class Engines(Protocol):
    """Serves in `with`."""

    @property
    def urls(self) -> tuple[str, ...]: ...
    def cpu_seconds(self) -> float: ...
    def late_seconds(self) -> float:
        """Seconds of the wall that the engines' clocks gave up because their loop was late."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None: ...


class MockEngines:
    def __init__(self, fleet: Fleet, time_scale: float, folder: Path) -> None:
        count = len(fleet.speeds)
        flags = {
            "--count": count, "--alias": MODEL, "--profile": PROFILE, "--time-scale": time_scale,
            "--kv-tokens": fleet.kv_tokens, "--speeds": ",".join(map(str, fleet.speeds)),
            "--max-loras": fleet.max_loras, "--lora-load": fleet.lora_load,
        }  # fmt: skip
        if fleet.adapters:
            flags["--adapters"] = ",".join(fleet.adapters)
        words = [str(word) for flag in flags.items() for word in flag]
        module = [sys.executable, "-m", "headway.engines.mock_server"]
        self._child = Child("the mock engines", [*module, *words], folder / "engines.log", {"PYTHONPATH": str(ROOT)})
        self._count = count
        self.urls: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        try:
            until(self._child, lambda: len(self._listening()) == self._count, "listening")
        except BaseException:
            self._child.stop()
            raise
        self.urls = tuple(f"http://{address}" for address in self._listening())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._child.stop()

    def cpu_seconds(self) -> float:
        return self._child.cpu_seconds()

    def late_seconds(self) -> float:
        late = 0.0
        for url in self.urls:
            with urllib.request.urlopen(f"{url}/mock/totals", timeout=10) as answer:
                late += json.load(answer)["late_seconds"]
        return late

    def _listening(self) -> list[str]:
        return re.findall(r"listening on (\S+:\d+)\n", self._child.log.read_text())

"""`headway bench --find-max` against servers whose capacity is known."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bench.asked import MODEL
from benchmarks.bench.running import run_to_end
from benchmarks.bench.server import ROOT, serving
from benchmarks.bench.truths import largest_rate
from benchmarks.gateway.process import BenchError

__all__ = ["SEARCHES", "Found", "Search", "search"]

TTFT, LIMIT, SHARE = 0.05, 0.3, 0.95
LONGEST = 300.0
"""Seconds for a search, its start and its report."""
FILE = """\
kind: Workload
name: sought
model: {model}
prompt: 32
output: 4
arrivals: {{rate: 1/s, pattern: {pattern}}}
slo: {{ttft: {limit:g}ms}}
"""


@dataclass(frozen=True, slots=True)
class Search:
    """A server that lets in `capacity` requests a second, and how they come."""

    capacity: float
    pattern: str

    @property
    def name(self) -> str:
        return f"capacity {self.capacity:g}/s, {self.pattern}"

    @property
    def true(self) -> float:
        """Even arrivals never wait below the capacity; Poisson's do."""
        if self.pattern == "constant":
            return self.capacity
        return largest_rate(self.capacity, TTFT, LIMIT, SHARE)


SEARCHES = (Search(30, "constant"), Search(30, "poisson"), Search(100, "constant"), Search(100, "poisson"))


@dataclass(frozen=True, slots=True)
class Found:
    """Requests a second; `load`: seconds during which requests were sent."""

    name: str
    true: float
    rate: float
    low: float
    high: float
    load: float
    stages: int


def search(wish: Search, cores: Sequence[int]) -> Found:
    """Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as name:
        folder = Path(name)
        flags = ("--ttft", str(TTFT), "--itl", "0.005", "--capacity", str(wish.capacity))
        with serving(folder, cores[0], flags) as server:
            (room := folder / "tool").mkdir()
            file = room / "sought.yaml"
            file.write_text(FILE.format(model=MODEL, pattern=wish.pattern, limit=LIMIT * 1000))
            argv = [sys.executable, "-m", "headway", "bench", server.url, "--workload", str(file), "--find-max"]
            out = ["--at-least", f"{SHARE:.0%}", "--out", str(room / "out")]
            ran = run_to_end([*argv, *out], cores[1], room, {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}, LONGEST)
        try:
            told: dict[str, Any] = json.loads((room / "out" / "summary.json").read_text())
        except OSError:
            raise BenchError(f"--find-max wrote no summary: {ran.output[-300:]}") from None
    found = told["found"]
    return Found(
        name=wish.name,
        true=wish.true,
        rate=found["rate"],
        low=found["low"],
        high=float("inf") if found["high"] is None else found["high"],
        load=found["seconds"],
        stages=found["stages"],
    )

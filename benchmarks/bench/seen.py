"""The cases that are measured, and one run of one tool in one of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench.asked import Asked, Place, Told, Tool
from benchmarks.bench.running import run_to_end
from benchmarks.bench.server import serving
from benchmarks.bench.truths import Truth, truth
from benchmarks.gateway.process import BenchError

__all__ = ["CASES", "Bench", "Case", "Seen"]

PATIENCE = 240.0
"""Seconds for a tool to begin and to end, beyond the load itself."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked, and the flags of the mock engine that it is asked of. `table`: which one it is for."""

    table: str
    name: str
    asked: Asked
    flags: tuple[str, ...]
    rounds: int = 99
    """The most that are worth while."""


KNOWN = Asked(rate=20, requests=120, output=21)
TIMES = ("--ttft", "0.05", "--itl", "0.01")
PACE, FAST = Asked(rate=200, requests=1200, output=16), ("--ttft", "0.02", "--itl", "0.005")
FEW = 200
OVER = Asked(rate=20, requests=200, output=8)
EIGHT = (*TIMES, "--capacity", "8")

CASES: Mapping[str, Case] = {
    each.name: each
    for each in (
        Case("known", "plain", KNOWN, TIMES),
        Case("known", "4 tokens a chunk", KNOWN, (*TIMES, "--script", "chunk=4")),
        Case("known", "empty first chunk", KNOWN, (*TIMES, "--script", "first=empty")),
        Case("known", "cut anywhere", KNOWN, (*TIMES, "--script", "split=tcp")),
        Case("cost", "stream", PACE, FAST),
        Case("cost", "stream, few", Asked(rate=200, requests=FEW, output=16), FAST),
        Case("cost", "whole", Asked(rate=200, requests=1200, output=16, stream=False), FAST),
        Case("cost", "whole, few", Asked(rate=200, requests=FEW, output=16, stream=False), FAST),
        Case("overload", "as it comes", OVER, EIGHT, rounds=1),
        Case("overload", "2 in flight", Asked(rate=20, requests=200, output=8, in_flight=2), EIGHT, rounds=1),
    )
}


@dataclass(frozen=True, slots=True)
class Seen:
    """`begin`: seconds from the tool's start to its first request; `fault`: why there are no figures."""

    tool: str
    case: str
    round: int
    wall: float = 0.0
    cpu: float = 0.0
    begin: float = 0.0
    truth: Truth | None = None
    told: Told | None = None
    fault: str = ""

    @property
    def cpu_each(self) -> float:
        """Seconds of CPU a request, all that the tool did counted."""
        return self.cpu / self.truth.requests if self.truth else 0.0


@dataclass(frozen=True, slots=True)
class Bench:
    tokenizer: Path
    server_core: int
    tool_core: int

    def run(self, tool: Tool, case: Case, number: int) -> Seen:
        with tempfile.TemporaryDirectory(prefix="headway-bench-") as name:
            try:
                return self._run(tool, case, number, Path(name))
            except BenchError as error:
                return Seen(tool.name, case.name, number, fault=str(error))

    def _run(self, tool: Tool, case: Case, number: int, folder: Path) -> Seen:
        asked = case.asked
        with serving(folder, self.server_core, case.flags) as server:
            (room := folder / "tool").mkdir()
            place = Place(room, self.tokenizer, server.url)
            command = tool.command(asked, place)
            deadline = PATIENCE + 5 * asked.seconds
            ran = run_to_end(command.argv, self.tool_core, room, command.env, deadline)
            told = tool.told(place, ran.output)
            seen = server.arrivals(asked.output)
        return Seen(
            tool=tool.name,
            case=case.name,
            round=number,
            wall=ran.wall,
            cpu=ran.cpu,
            begin=seen[0].came - ran.begun,
            truth=truth(seen, asked.rate, asked.ttft),
            told=told,
        )

"""`headway bench` as the benchmark runs it: the command that a user types, with its summary, report and records."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.bench.asked import MODEL, Asked, Command, Place, Told
from benchmarks.bench.server import ROOT
from benchmarks.gateway.process import BenchError
from headway import __version__

__all__ = ["HeadwayBench"]

FILE = """\
kind: Workload
name: asked
model: {model}
stream: {stream}
prompt: {prompt}
output: {output}
arrivals: {{rate: {rate:g}/s, pattern: {pattern}}}
requests: {requests}
slo: {{ttft: {ttft:g}ms}}
seed: {seed}
"""


class HeadwayBench:
    """In an open loop nothing limits what is in flight, and nothing can be told to."""

    name = "headway"
    limits = False

    def set_up(self, cache: Path) -> str:
        return f"headway {__version__}"

    def command(self, asked: Asked, place: Place) -> Command:
        (file := place.folder / "asked.yaml").write_text(
            FILE.format(
                model=MODEL,
                stream="true" if asked.stream else "false",
                prompt=asked.prompt,
                output=asked.output,
                rate=asked.rate,
                pattern=asked.pattern,
                requests=asked.requests,
                ttft=asked.ttft * 1000,
                seed=asked.seed,
            )
        )
        argv = (sys.executable, "-m", "headway", "bench", place.url, "--workload", str(file), "--drain", "300s")
        return Command((*argv, "--out", str(place.folder / "out")), {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"})

    def told(self, place: Place, output: str) -> Told:
        try:
            summary: dict[str, Any] = json.loads((place.folder / "out" / "summary.json").read_text())
        except OSError:
            raise BenchError(f"headway bench wrote no summary: {output[-300:]}") from None
        whole = summary["whole"]
        latency, goodput = whole["latency"], whole.get("goodput") or {}
        verdict = summary["verdict"]
        reason = verdict["reasons"][0]["text"] if verdict["reasons"] else ""
        return Told(
            ttft_p50=latency["ttft_sched"]["p50"],
            ttft_p99=latency["ttft_sched"]["p99"],
            itl=latency["itl"]["mean"],
            rate=whole["rate"]["answered"],
            good=goodput.get("inside", {}).get("share"),
            words=f"{verdict['word']}: {reason}" if reason else verdict["word"],
        )

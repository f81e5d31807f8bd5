"""`headway bench` beside its peers, against a server that knows the truth.

    python -m benchmarks.bench [--quick] [--only headway,aiperf] [--tables known,cost] [--json OUT] [--write]

Tables: known (are known latencies found?), cost (CPU a request, start-up, and when requests really came), overload
(what each says of a server that cannot keep up), max (does --find-max find the capacity?). The peers are set up in
environments of their own under the cache folder on the first run (some minutes). All of it takes about half an hour
and wants two idle cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.bench.aiperf import AiPerf
from benchmarks.bench.asked import Tool
from benchmarks.bench.guidellm import GuideLlm
from benchmarks.bench.headway_side import HeadwayBench
from benchmarks.bench.inference_perf import InferencePerf
from benchmarks.bench.report import Report
from benchmarks.bench.search import SEARCHES, Found, search
from benchmarks.bench.seen import CASES, Bench, Case, Seen
from benchmarks.bench.tokenizer import make_tokenizer
from benchmarks.gateway import machine
from benchmarks.gateway.environments import Missing
from benchmarks.gateway.process import BenchError
from benchmarks.gateway.readme import write_part
from headway.paths import cache_dir

__all__ = ["main"]

TOOLS: Mapping[str, Tool] = {each.name: each for each in (HeadwayBench(), InferencePerf(), AiPerf(), GuideLlm())}
TABLES = ("known", "cost", "overload", "max")


def main(argv: Sequence[str] | None = None) -> int:
    given = _parse(argv)
    try:
        return _tables(given)
    except BenchError as error:
        print(f"benchmarks/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks/bench: stopped; no table", file=sys.stderr)
        return 130


def _tables(given: argparse.Namespace) -> int:
    began = time.monotonic()
    tools, versions, missing = _set_up(given)
    bench = Bench(make_tokenizer(given.cache / "tokenizer"), *given.cores)
    rounds = 1 if given.quick else given.rounds
    cases = [each for each in CASES.values() if each.table in given.tables]
    seen = _rounds(bench, tools, cases, rounds)
    found = _searches(given) if "max" in given.tables and "headway" in versions else []
    about = _about(rounds, time.monotonic() - began, given)
    text = Report(seen, found, versions, missing, about).markdown()
    print(text)
    if given.json:
        kept = {
            "seen": [dataclasses.asdict(each) for each in seen],
            "found": [dataclasses.asdict(each) for each in found],
        }
        given.json.write_text(json.dumps(kept, indent=1) + "\n")
    if given.write:
        write_part("bench", text)
    return 1 if any(each.fault for each in seen) else 0


def _set_up(given: argparse.Namespace) -> tuple[list[Tool], dict[str, str], dict[str, str]]:
    """A peer that cannot be had is noted, and the others are measured."""
    tools, versions, missing = [], {}, {}
    for name in given.only:
        try:
            versions[name] = TOOLS[name].set_up(given.cache)
        except Missing as error:
            missing[name] = str(error)
            print(f"{name} is left out: {error}", file=sys.stderr)
        else:
            tools.append(TOOLS[name])
    return tools, versions, missing


def _rounds(bench: Bench, tools: Sequence[Tool], cases: Sequence[Case], rounds: int) -> list[Seen]:
    """Every other round goes through the tools backwards, so that none always follows the same one."""
    seen = []
    for number in range(rounds):
        for case in (each for each in cases if number < each.rounds):
            able = [tool for tool in tools if tool.limits or case.asked.in_flight is None]
            for tool in able if number % 2 == 0 else reversed(able):
                seen.append(bench.run(tool, case, number))
                _tell(seen[-1])
    return seen


def _searches(given: argparse.Namespace) -> list[Found]:
    found = []
    for wish in SEARCHES[:1] if given.quick else SEARCHES:
        try:
            found.append(search(wish, given.cores))
        except BenchError as error:
            print(f"--find-max {wish.name}: NO FIGURES: {error}", file=sys.stderr)
        else:
            print(f"--find-max {wish.name}: {found[-1].rate:.1f} of {found[-1].true:.1f}/s", file=sys.stderr)
    return found


def _tell(seen: Seen) -> None:
    """One line a run on stderr: half an hour of silence looks like a hang."""
    if seen.truth is None:
        said = f"NO FIGURES: {seen.fault}"
    else:
        said = f"{seen.wall:5.1f} s, begun after {seen.begin:.2f} s, {seen.cpu_each * 1000:.2f} ms of CPU a request, "
        said += (
            f"{seen.truth.requests} requests at {seen.truth.rate:.1f}/s, late p99 {seen.truth.lag_p99 * 1000:.1f} ms"
        )
    print(f"{seen.round + 1} {seen.case:>18} {seen.tool:<15} {said}", file=sys.stderr)


def _about(rounds: int, seconds: float, given: argparse.Namespace) -> str:
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=10"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "no commit"
    return (
        f"{machine.describe()}; the tool alone on core {given.cores[1]}, the mock engine on core {given.cores[0]}; "
        f"{rounds} interleaved rounds in {seconds / 60:.0f} min; load average at the end {os.getloadavg()[1]:.1f}; "
        f"commit {commit}. "
        "Median (lowest to highest)."
    )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round: does everything work?")
    parser.add_argument("--only", type=_some_of(TOOLS), default=list(TOOLS), help=f"some of {','.join(TOOLS)}")
    parser.add_argument("--tables", type=_some_of(TABLES), default=list(TABLES), help=f"some of {','.join(TABLES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    parser.add_argument("--cache", type=Path, default=cache_dir() / "bench", help="for the peers' environments")
    parser.add_argument("--cores", type=_cores, default=(0, 1), help="of the server and of the tool (0,1)")
    return parser.parse_args(argv)


def _some_of(known: Mapping[str, object] | Sequence[str]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"{','.join(unknown)}: not one of {','.join(known)}")
        return chosen

    return names


def _cores(text: str) -> tuple[int, int]:
    try:
        server, tool = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: two numbers like 0,1") from None
    return server, tool

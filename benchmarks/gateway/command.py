"""The speed of the gateway against its peers, one core each.

    python benchmarks/gateway [--quick] [--only headway,envoy] [--json OUT] [--write]
    python benchmarks/gateway --flat 10m        Headway alone: is its memory flat?

Peers are set up in environments of their own under the cache folder on the first run (some minutes). The whole table
takes about 20 minutes and wants a machine with two idle cores; as root it takes precedence over other login sessions.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import FrameType

from benchmarks.gateway import machine
from benchmarks.gateway.flat import flat
from benchmarks.gateway.headway_side import HEADWAY
from benchmarks.gateway.launch import Start
from benchmarks.gateway.observation import DIRECT, Observation
from benchmarks.gateway.peers import PEERS
from benchmarks.gateway.process import BenchError
from benchmarks.gateway.readme import write_part
from benchmarks.gateway.report import Report
from benchmarks.gateway.rounds import all_rounds
from benchmarks.gateway.stage import Cores, Stage, stage
from benchmarks.gateway.validity import fault, wrong
from benchmarks.gateway.workloads import WORKLOADS, Workload, quick
from headway.paths import cache_dir

__all__ = ["main"]

LENIENT = " **Not for comparison**: runs that the machine disturbed were counted."
PROXIES: Mapping[str, Start] = {**HEADWAY, **PEERS}
OVERLOADED = {"litellm": {"l1000"}}
"""What a peer cannot do at all: 1,000 requests/s are several times what litellm answers on a core."""


def main(argv: Sequence[str] | None = None) -> int:
    given = _parse(argv)
    signal.signal(signal.SIGTERM, _end)
    before = machine.own_precedence()
    try:
        cores = _take_cores(given)
        with stage(given.cache, cores) as here:
            if given.flat:
                print(flat(here, HEADWAY["headway"], given.flat))
                return 0
            return _table(given, here)
    except BenchError as error:
        print(f"benchmarks/gateway: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks/gateway: stopped; no table", file=sys.stderr)
        return 130
    finally:
        if given.nice:
            machine.precedence([os.getpid()], before)


def _table(given: argparse.Namespace, here: Stage) -> int:
    began = time.monotonic()
    for name in given.only:
        here.start(name, PROXIES[name])
        if why := here.missing.get(name):
            print(f"{name} is left out: {why}", file=sys.stderr)
    workloads = {each.name: quick(each) if given.quick else each for each in WORKLOADS if each.name in given.workloads}
    rounds = 1 if given.quick else given.rounds

    def run(proxy: str, workload: Workload, number: int) -> Observation:
        return here.run(here.proxies[proxy], workload, number)

    def able(proxy: str, workload: Workload) -> bool:
        return workload.name not in OVERLOADED.get(proxy, ())

    judge = wrong if given.lenient else fault
    seen = all_rounds(run, judge, list(here.proxies), list(workloads.values()), rounds=rounds, tell=_tell, able=able)
    about = _about(rounds, time.monotonic() - began, given)
    if given.earlier is not None:
        before = [each for each in _earlier(given.earlier) if each.workload not in workloads]
        others = {each.workload for each in before}
        seen, about = before + seen, f"{about} {_and(others)} of an earlier sitting of the same machine."
        workloads = {each.name: each for each in WORKLOADS if each.name in workloads or each.name in others}
    launches = {name: proxy.launch for name, proxy in here.proxies.items()}
    text = Report(seen, workloads, launches, here.missing, about).markdown()
    print(text)
    if given.json:
        given.json.write_text(json.dumps([dataclasses.asdict(each) for each in seen], indent=1) + "\n")
    if given.write:
        write_part("gateway", text)
    return 1 if any(each.errors for each in seen) else 0


def _earlier(path: Path) -> list[Observation]:
    try:
        return [Observation(**each) for each in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError) as error:
        raise BenchError(f"--with {path}: not what --json wrote: {error}") from error


def _and(names: Collection[str]) -> str:
    return ", ".join(each.name for each in WORKLOADS if each.name in names)


def _tell(seen: Observation) -> None:
    """One line a run on stderr: twenty minutes of silence look like a hang."""
    rate = (
        f"{seen.events / seen.seconds:,.0f} events/s" if seen.events else f"{seen.requests / seen.seconds:,.0f} req/s"
    )
    cores = (
        f"proxy {seen.share:.0%}, load {seen.load_share:.0%}, others {seen.strangers:.0%}; {seen.endpoints} endpoints"
    )
    said = f"  DROPPED: {seen.fault}" if seen.fault else ""
    print(f"{seen.round + 1} {seen.workload:>5} {seen.proxy:<13} {rate:>18}  {cores}{said}", file=sys.stderr)


def _about(rounds: int, seconds: float, given: argparse.Namespace) -> str:
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=10"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "no commit"
    return (
        f"{machine.describe()}; proxy alone on core {given.cores[1]}, null backend (8 endpoints) and generator on core "
        f"{given.cores[0]}; {rounds} interleaved rounds in {seconds / 60:.0f} min; commit {commit}. "
        f"Median (lowest to highest); ratios are taken inside a round.{LENIENT if given.lenient else ''}"
    )


def _take_cores(given: argparse.Namespace) -> Cores:
    load, proxy = given.cores
    allowed = os.sched_getaffinity(0)
    if load == proxy or not {load, proxy} <= allowed:
        raise BenchError(f"--cores {load},{proxy}: two different cores of {sorted(allowed)} are needed")
    machine.allow_many_sockets()
    if given.nice and (why := machine.precedence([os.getpid()], given.nice)):
        print(f"note: {why}", file=sys.stderr)
    os.sched_setaffinity(0, {load})
    return Cores(load, proxy, given.nice)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(143)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = ",".join(PROXIES)
    parser.add_argument("--quick", action="store_true", help="one short round: does everything work?")
    parser.add_argument("--only", type=_names(PROXIES), default=list(PROXIES), help=f"some of {known}")
    every = {each.name: each for each in WORKLOADS}
    parser.add_argument("--workloads", type=_names(every), default=list(every), help=f"some of {','.join(every)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lenient", action="store_true", help="count runs that others on the machine disturbed")
    parser.add_argument("--flat", type=_seconds, help="memory over this long (10m, 90s) instead of the table")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument(
        "--with", type=Path, dest="earlier", metavar="JSON", help="workloads not asked for now: as this --json has them"
    )
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    parser.add_argument("--cache", type=Path, default=cache_dir() / "bench", help="for environments and built programs")
    parser.add_argument("--cores", type=_cores, default=(0, 1), help="of the load and of the proxy (0,1)")
    parser.add_argument("--nice", type=int, default=-15, help="of our session's group; 0 = leave it")
    given = parser.parse_args(argv)
    given.lenient |= given.quick
    return given


def _names(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    def names(text: str) -> list[str]:
        chosen = [name for name in text.split(",") if name != DIRECT]
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"{','.join(unknown)}: not one of {','.join(known)}")
        return chosen

    return names


def _seconds(text: str) -> float:
    scale = {"s": 1, "m": 60, "h": 3600}.get(text[-1:])
    try:
        return float(text[:-1]) * scale if scale else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: a time like 10m or 90s") from None


def _cores(text: str) -> tuple[int, int]:
    try:
        load, proxy = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: two numbers like 0,1") from None
    return load, proxy

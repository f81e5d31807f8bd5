"""Routing quality: TTFT and cache hits behind Headway's policies and its peers, on eight mock engines.

    python benchmarks/routing [--quick] [--only A,B] [--workloads A,B] [--rounds 5] [--load 1.0] [--seed N]
                              [--json OUT]
    python benchmarks/routing --real [...]
    python benchmarks/routing --virtual [--jobs N] [...]

Sets up the peers by itself (virtual environments under ~/.cache/headway/bench). Prints Markdown: for each workload the
figures and how far to trust them, then a verdict for each reach. `--real` uses two one-thread llama.cpp servers and
one chat in place of the mock engines (HEADWAY_TEST_LLAMA_SERVER and HEADWAY_TEST_SMOLLM2 name others than Headway's
own); that is reported, not judged. `--virtual` runs the engines' and the gateway's own code for routing on a virtual
clock, without sockets: seconds a round and the same figures each time, to see what a change of the policy does.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.routing.peers import installed
from benchmarks.routing.processes import BenchError
from benchmarks.routing.real import REAL, llamas
from benchmarks.routing.report import judged, told
from benchmarks.routing.rounds import Plan, mock_engines, played
from benchmarks.routing.run import Run
from benchmarks.routing.subjects import SUBJECTS
from benchmarks.routing.virtual.table import table
from benchmarks.routing.virtual.trial import SUBJECTS as VIRTUAL
from benchmarks.routing.virtual.trial import Trial, tried
from benchmarks.routing.workloads import SEED, WORKLOADS

OVERHEAD = 2.5
"""Seconds of a run besides what is played: starts, stops, warming; for the estimate alone."""


def main() -> int:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # what was started is ended then
    given = parsed()
    if given.virtual:
        return virtual(given)
    workloads = [REAL] if given.real else chosen(WORKLOADS, given.workloads, "workload")
    rounds = 1 if given.quick else given.rounds
    plan = Plan(workloads, chosen(SUBJECTS, given.only, "subject"), rounds, given.load, given.seed)
    runs: list[Run] = []
    stopped = False
    try:
        for subject in plan.subjects:
            if subject.peer:
                installed(subject.peer)
        say(f"{plan.runs} runs, about {minutes(plan):.0f} minutes")
        for run in played(plan, llamas if given.real else mock_engines):
            runs.append(run)
            say(line(run, len(runs), plan.runs))
            if given.json:
                given.json.write_text(json.dumps([asdict(each) for each in runs], indent=1))
    except BenchError as error:
        print(f"benchmarks/routing: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("stopped: what follows is of the runs until here")
        stopped = True
    report(plan, runs, given.real)
    return 130 if stopped else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round: to see that it works")
    parser.add_argument("--only", help=f"subjects: {', '.join(SUBJECTS)}")
    parser.add_argument("--workloads", help=f"workloads: {', '.join(WORKLOADS)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load", type=float, default=1.0, help="multiplies every rate: to look for the knee")
    parser.add_argument("--seed", type=int, default=SEED, help="to tune a policy give one; without it is for judging")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument("--virtual", action="store_true", help="no sockets, no clock: the routing alone")
    parser.add_argument("--jobs", type=int, default=1, help="processes for --virtual")
    parser.add_argument("--real", action="store_true", help="two llama.cpp servers in place of mock engines")
    given = parser.parse_args()
    if given.rounds < 1 or given.load <= 0:
        parser.error("--rounds and --load: use numbers above 0")
    return given


def virtual(given: argparse.Namespace) -> int:
    names = [each.name for each in chosen(WORKLOADS, given.workloads, "workload")]
    subjects = chosen({name: name for name in VIRTUAL}, given.only, "subject")
    trials = [
        Trial(name, subject, number, given.load, given.seed)
        for name in names
        for subject in subjects
        for number in range(1 if given.quick else given.rounds)
    ]
    print("\n".join(table(list(tried(trials, given.jobs)))))
    return 0


def chosen(everything: Mapping[str, Any], names: str | None, kind: str) -> list[Any]:
    """Those named, in the order of everything."""
    wanted = set(names.split(",")) if names else set(everything)
    if unknown := wanted - everything.keys():
        raise SystemExit(f"no {kind} {', '.join(sorted(unknown))}; use {', '.join(everything)}")
    return [each for name, each in everything.items() if name in wanted]


def minutes(plan: Plan) -> float:
    once = sum(workload.window.end / workload.time_scale + OVERHEAD for workload in plan.workloads)
    return once * len(plan.subjects) * plan.rounds / 60


def line(run: Run, number: int, of: int) -> str:
    figures, faults = run.figures, run.validity.faults
    told_of = f"TTFT p50 {figures.ttft_p50:.3f} p95 {figures.ttft_p95:.3f} s, hits {figures.hit_rate:.1%}"
    tail = f", INVALID: {'; '.join(faults)}" if faults else ""
    return (
        f"[{number}/{of}] round {run.round + 1} {run.workload} {run.subject}: {told_of}, {figures.missed} missed{tail}"
    )


def report(plan: Plan, runs: Sequence[Run], real: bool) -> None:
    peers = [subject.name for subject in plan.subjects if subject.peer]
    mine = {each.name: [run for run in runs if run.workload == each.name] for each in plan.workloads}
    workloads = [each for each in plan.workloads if mine[each.name]]
    for workload in workloads:
        print(told(workload, mine[workload.name]))
    if real:
        return
    marks = {True: "reached", False: "NOT REACHED", None: "not told"}
    for workload in workloads:
        for verdict in judged(workload, mine[workload.name], peers):
            print(f"- {marks[verdict.reached]}: {verdict.reach}: {verdict.said}")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Simulated against real: two one-thread llama.cpp replicas of a built-in model behind the gateway of this machine.

    python -m benchmarks.simulated [--model gemma-3-270m] [--rounds 3] [--rate 1/s] [--fit-rate 0.7/s]

The constants are fitted first, by `headway perf calibrate` on a run of `headway bench` with another Workload (other
lengths, another rate) and another seed. Then each round sends one more Workload, Poisson arrivals and lengths with
spread, with a seed of its own, and `headway simulate` plays the same Workload and seed on the same file. Both columns
are of all requests of the round: TTFT from when a request was due, tokens of answers over the time until the last one
had ended. All processes share this machine's cores; what CPU each part took is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

import psutil

from headway.bench.records import read_records
from headway.engines import builtin
from tests.support.running import Headway

SERVED = """\
kind: Model
name: chat
source: builtin://{model}
replicas: 2
args: {{threads: 1}}
"""
FITTED_ON = """\
kind: Workload
name: fitted-on
model: chat
operation: {operation}
prompt: 20..320
output: 10..80
arrivals: {{rate: {rate}}}
for: {seconds}s
"""
ASKED = """\
kind: Workload
name: asked
model: chat
operation: {operation}
prompt: {{p50: 120, p90: 300, p99: 500}}
output: {{p50: 40, p90: 90, p99: 160}}
arrivals: {{rate: {rate}}}
for: {seconds}s
"""
FIT_SEED, SEED = 1001, 1
FIGURES = ("TTFT p50", "TTFT p95", "TTFT mean", "TPOT p50", "tokens/s")


@dataclass(frozen=True, slots=True)
class Round:
    real: dict[str, float]
    simulated: dict[str, float]
    cpu: dict[str, float]
    stolen: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", default="1/s")
    parser.add_argument("--fit-rate", default="0.7/s")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="a folder for all that was written; else it is thrown away")
    given = parser.parse_args()
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, Python {sys.version.split()[0]}")
    operation = builtin.find(given.model).task
    with _folder(given.keep) as folder, _served(folder, given.model) as headway:
        _fit(headway, folder, operation, given.fit_rate, given.seconds)
        workload = folder / "asked.yaml"
        workload.write_text(ASKED.format(operation=operation, rate=given.rate, seconds=given.seconds))
        rounds = []
        for number in range(given.rounds):
            rounds.append(_round(headway, folder, workload, SEED + number))
            _tell(number, rounds[-1])
        _summary(rounds)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def _served(folder: Path, model: str) -> Iterator[Headway]:
    headway = Headway(folder)
    file = folder / "chat.yaml"
    file.write_text(SERVED.format(model=model))
    try:
        headway.up_ok(file)
        yield headway
    finally:
        headway.close()


def _fit(headway: Headway, folder: Path, operation: str, rate: str, seconds: int) -> None:
    workload = folder / "fitted-on.yaml"
    workload.write_text(FITTED_ON.format(operation=operation, rate=rate, seconds=seconds + seconds // 2))
    _bench(headway, workload, FIT_SEED, folder / "fit")
    print(_ok(headway, "perf", "calibrate", str(folder / "fit"), "-f", str(folder / "chat.yaml")))


def _round(headway: Headway, folder: Path, workload: Path, seed: int) -> Round:
    out = folder / f"round-{seed}"
    before, began, idle = _cpu(headway), time.monotonic(), psutil.cpu_times()
    _bench(headway, workload, seed, out)
    lasted, after, later = time.monotonic() - began, _cpu(headway), psutil.cpu_times()
    cpu = {name: (after[name] - before.get(name, 0.0)) / lasted for name in after}
    recorded = read_records(out / "records.jsonl")
    assert recorded.facts is not None
    cpu["load client"] = sum(each.cpu for each in recorded.facts.generators) / recorded.facts.ended
    asked = ("simulate", str(folder / "chat.yaml"), "--workload", str(workload), "--seed", str(seed), "--json")
    told = json.loads(_ok(headway, *asked))
    stolen = (getattr(later, "steal", 0.0) - getattr(idle, "steal", 0.0)) / lasted
    return Round(_real(out), _simulated(told), cpu, stolen)


def _bench(headway: Headway, workload: Path, seed: int, out: Path) -> None:
    url = f"http://127.0.0.1:{headway.port}"
    done = headway.run("bench", url, "--workload", str(workload), "--seed", str(seed), "--out", str(out), timeout=600)
    assert done.stdout, done.stderr
    print(f"{out.name}: {done.stdout.splitlines()[0]}")


def _ok(headway: Headway, *arguments: str) -> str:
    done = headway.run(*arguments, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _real(out: Path) -> dict[str, float]:
    records = [each for each in read_records(out / "records.jsonl").records if not each.error]
    ttft = [each.first - each.due for each in records if each.first is not None]
    tpot = [
        (each.last - each.first) / (each.output_tokens - 1)
        for each in records
        if each.last and each.first and each.output_tokens and each.output_tokens > 1
    ]
    tokens = sum(each.output_tokens or 0 for each in records)
    lasted = max(each.ended or 0.0 for each in records)
    values = (median(ttft), quantiles(ttft, n=20)[18], fmean(ttft), median(tpot), tokens / lasted)
    return dict(zip(FIGURES, values, strict=True))


def _simulated(told: dict[str, Any]) -> dict[str, float]:
    whole = told["whole"]
    ttft, seconds = whole["ttft"], told["seconds"]
    values = (ttft["p50"], ttft["p95"], ttft["mean"], whole["tpot"]["p50"], whole["output_tokens"] / seconds)
    return dict(zip(FIGURES, values, strict=True))


def _cpu(headway: Headway) -> dict[str, float]:
    """Seconds of CPU so far, by what a process is."""
    found: dict[str, float] = {}
    for process in headway.processes():
        try:
            line, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue
        name = "engines" if "llama-server" in line else "gateway" if "gateway" in line else "control"
        found[name] = found.get(name, 0.0) + times.user + times.system
    return found


def _tell(number: int, found: Round) -> None:
    cpu = ", ".join(f"{name} {share:.2f}" for name, share in sorted(found.cpu.items()))
    print(f"round {number + 1}: cores' worth of CPU: {cpu}; stolen by the host {found.stolen:.2f}")
    for name in FIGURES:
        print(f"  {name:<10} real {_figure(name, found.real[name])}  simulated {_figure(name, found.simulated[name])}"
              f"  {_error(found, name):+7.1%}")  # fmt: skip


def _summary(rounds: list[Round]) -> None:
    print(f"\n| | {' | '.join(f'round {at + 1}: real | simulated | error' for at in range(len(rounds)))} | spread |")
    print(f"|---|{'---:|' * (3 * len(rounds) + 1)}")
    for name in FIGURES:
        cells = [
            f"{_figure(name, each.real[name])} | {_figure(name, each.simulated[name])} | {_error(each, name):+.1%}"
            for each in rounds
        ]
        reals = [each.real[name] for each in rounds]
        print(f"| {name} | {' | '.join(cells)} | {(max(reals) - min(reals)) / fmean(reals):.0%} |")
    worst = max(abs(_error(each, name)) for each in rounds for name in ("TTFT p50", "TTFT p95", "tokens/s"))
    print(f"\nlargest error of TTFT p50, TTFT p95 and tokens/s: {worst:.1%}")


def _figure(name: str, value: float) -> str:
    return (
        f"{value:.1f}" if name == "tokens/s" else f"{value * 1e3:.0f} ms" if value >= 0.1 else f"{value * 1e3:.1f} ms"
    )


def _error(found: Round, name: str) -> float:
    return found.simulated[name] / found.real[name] - 1


if __name__ == "__main__":
    main()

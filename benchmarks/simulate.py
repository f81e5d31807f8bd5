"""How fast the simulator is: `python -m benchmarks.simulate TRACE [--week]`.

TRACE is a recorded half hour (azure_llm_2023_conv.csv). It is simulated on 16 replicas by the command itself, as a user
would, so that starting Python and reading the file count too; with `--week` also again and again for a week, in one
process. Told: seconds of the wall and of the CPU (others may use the machine), and the
most memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from headway.perf.traffic.trace import Call
from headway.wire.traces import read_trace

MODEL = "kind: Model\nname: chat\nsource: hf://meta-llama/Llama-3.1-8B-Instruct\ngpu: H100\nreplicas: 16\n"
HALF_HOUR = 1800.0
WEEK = 7 * 86_400.0
RUNS = 5


class Again:
    """A Trace: the recorded one over and over, until `seconds`."""

    format, has_sessions, passed_over = "azure", False, 0

    def __init__(self, path: Path, seconds: float) -> None:
        self.name, self._recorded, self._seconds = str(path), read_trace(path), seconds

    def calls(self, start: float, end: float, seed: int) -> Iterator[Call]:
        times = 0
        while times * HALF_HOUR < min(end, self._seconds):
            for call in self._recorded.calls(start, HALF_HOUR, seed):
                yield replace(call, at=call.at + times * HALF_HOUR)
            times += 1


def half_hour(trace: Path, model: Path) -> None:
    command = [sys.executable, "-m", "headway", "simulate", str(model), "--trace", str(trace), "--json"]
    walls, cpus, requests = [], [], 0
    for _ in range(RUNS):
        before, began = _children(), time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        walls.append(time.perf_counter() - began)
        cpus.append(_children() - before)
        requests = json.loads(done.stdout)["whole"]["requests"]
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    told = ", ".join(f"{wall:.2f}" for wall in sorted(walls))
    print(
        f"half an hour: {requests:,} requests; wall {told} s; CPU {min(cpus):.2f} to {max(cpus):.2f} s; {most:.0f} MiB"
    )


def week(trace: Path) -> None:
    from headway.cli.simulate_fleet import Ways, fleet_of  # noqa: PLC0415
    from headway.perf.traffic.schedule import traffic  # noqa: PLC0415
    from headway.sim.run import simulate  # noqa: PLC0415
    from headway.spec.load import load  # noqa: PLC0415
    from headway.spec.workload import Workload  # noqa: PLC0415

    fleet = fleet_of(load(MODEL, "chat.yaml", "/"), {}, Ways(), lambda: (1.0, 1.0, 1.0), "")
    workload = Workload.model_validate({"kind": "Workload", "name": "week", "trace": {"file": str(trace)}})
    began, cpu = time.perf_counter(), time.process_time()
    outcome = simulate(fleet, traffic(workload, Again(trace, WEEK)))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"a week: {outcome.whole.requests:,} requests; wall {wall:.0f} s; CPU {cpu:.0f} s "
        f"({cpu / outcome.whole.requests * 1e6:.0f} us each); {most:.0f} MiB"
    )


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--week", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "chat.yaml"
        model.write_text(MODEL)
        half_hour(asked.trace, model)
    if asked.week:
        week(asked.trace)


if __name__ == "__main__":
    main()

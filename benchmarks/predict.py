"""How long a prediction takes: `python benchmarks/predict.py`. One process, the best of five passes of each."""

from __future__ import annotations

import time
from collections.abc import Callable

from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.models import architecture
from headway.perf.closed_loop import Callers, play
from headway.perf.predict import limits, predict, step_time
from headway.perf.prediction import Load
from headway.perf.setting import Setting

PASSES = 5


def main() -> None:
    setting = Setting(architecture("openai/gpt-oss-120b"), accelerator("h100_sxm"), expert_weights="mxfp4", tensor=2)
    step, room = step_time(setting), limits(setting)
    closed, shut = Load(1024, 1024, concurrency=32), Load(1024, 1024, rate=2.0)
    callers = Callers(32, 1024, 1024, spread=0.2)
    for name, call, times in (
        ("seconds of a step", lambda: step.seconds(0, 0.0, 0, 64, 1e5), 100_000),
        ("step_time(setting)", lambda: step_time(setting), 2000),
        ("limits(setting)", lambda: limits(setting), 2000),
        ("predict, closed loop", lambda: predict(setting, closed), 1000),
        ("predict, open loop", lambda: predict(setting, shut), 500),
        ("a played benchmark of 320 requests", lambda: play(step, room, callers), 3),
    ):
        print(f"{name:36} {_best(call, times) * 1e6:10.1f} us")


def _best(call: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(PASSES):
        begun = time.perf_counter()
        for _ in range(times):
            call()
        found.append((time.perf_counter() - begun) / times)
    return min(found)


if __name__ == "__main__":
    main()

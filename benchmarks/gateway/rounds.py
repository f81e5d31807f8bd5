"""The order of the runs, and what happens to a spoiled one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks.gateway.observation import Observation
from benchmarks.gateway.validity import hopeless
from benchmarks.gateway.workloads import Workload

__all__ = ["TRIES", "Run", "all_rounds"]

TRIES = 3
"""Of one run, before it is left as it is."""
REPEATS_MOST = 60
"""Of the whole benchmark: on a machine that is busy elsewhere it must end too."""

Run = Callable[[str, Workload, int], Observation]


Judge = Callable[[Observation, Workload], str]
"""Why a run does not count; an empty string when it does."""


def all_rounds(
    run: Run,
    judge: Judge,
    proxies: Sequence[str],
    workloads: Sequence[Workload],
    *,
    rounds: int,
    tell: Callable[[Observation], None] = lambda seen: None,
    able: Callable[[str, Workload], bool] = lambda proxy, workload: True,
) -> list[Observation]:
    """Every other round goes through the proxies backwards, so that none is always behind the same one."""
    seen: list[Observation] = []
    repeats = 0
    for number in range(rounds):
        order = proxies if number % 2 == 0 else list(reversed(proxies))
        for workload in workloads:
            if workload.once and number < rounds - 1:
                continue
            for proxy in (each for each in order if able(each, workload)):
                tries = TRIES if repeats < REPEATS_MOST else 1
                for _ in range(tries):
                    kept = run(proxy, workload, number)
                    kept = replace(kept, fault=judge(kept, workload))
                    if not kept.fault or hopeless(kept):
                        break
                    repeats += 1
                seen.append(kept)
                tell(kept)
    return seen

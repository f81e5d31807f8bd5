"""Requests as an engine with known constants would have answered them: made by the simulator's own replica."""

from __future__ import annotations

import random
from dataclasses import replace

from headway.perf.batching import Happens, Replica, Request
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.models import architecture
from headway.perf.constants import Constants, constants
from headway.perf.cores import some_cores
from headway.perf.live.seen import Seen
from headway.perf.setting import Setting
from headway.perf.step.shape import Limits
from headway.perf.step.step import step_of
from tests.support.batching import drive

__all__ = ["CORE", "LIMITS", "other_constants", "seen_by"]

CORE = Setting(
    architecture("builtin://smollm2-135m-instruct"),
    some_cores(accelerator("cpu"), 1),
    "llamacpp",
    weights="q4_1",
    kv="f16",
    threads=1,
)
LIMITS = Limits(kv_tokens=4 * 4096, block=1, most_sequences=4, token_budget=2048)


def other_constants(*, reading: float, computing: float, request: float = 0.01) -> Constants:
    """As if this machine read weights and computed prompts by these factors faster than the shipped constants say."""
    base = constants()
    kernels = base.kernels
    flops = {dtype: share * computing for dtype, share in kernels.flops.items()}
    engine = replace(base.engines["llamacpp"], request=request, step=0.0004)
    return replace(
        base,
        kernels=replace(kernels, stream=kernels.stream * reading, flops=flops),
        engines={**base.engines, "llamacpp": engine},
    )


def seen_by(
    by: Constants, *, setting: Setting = CORE, limits: Limits = LIMITS, rate: float, count: int, seed: int,
    noise: float = 0.0, replica: str = "chat-0",
) -> list[Seen]:  # fmt: skip
    """Poisson arrivals at one replica; times of tokens are late by as much as `noise` of them."""
    draw = random.Random(seed)  # noqa: S311 (traffic, not secrets)
    engine = Replica(step_of(setting, by), limits, prefix_cache=False)
    before, at = by.engines[setting.engine].request, 0.0
    arrivals: dict[int, tuple[Request, float]] = {}
    for number in range(count):
        at += draw.expovariate(rate)
        arrivals[number] = Request(number, draw.randint(20, 500), draw.randint(8, 90)), at
    events = drive(engine, ((came, request) for request, came in arrivals.values()))
    firsts = {each.request.id: each.at for each in events if each.kind is Happens.FIRST}
    lasts = {each.request.id: each.at for each in events}
    found = []
    for number, (request, came) in arrivals.items():
        shift = [before + noise * draw.random() * (firsts[number] - came), before]
        found.append(
            Seen(
                replica, came, firsts[number] + shift[0], max(lasts[number], firsts[number]) + max(shift),
                request.prompt, 0, request.output,
            )
        )  # fmt: skip
    return found

"""What a run tells of itself: what was asked, how the generator fared, what the server's own counters said."""

from __future__ import annotations

from typing import Literal

import msgspec

from headway.bench.schema import Finding

__all__ = ["Generator", "RunFacts", "ServerSample", "StageFacts"]


class StageFacts(msgspec.Struct):
    """`rate` is the one asked for, in requests a second, on average; None in a closed loop or a trace. Seconds since
    the start. `cv`: coefficient of variation of the gaps between arrivals (0 constant, 1 Poisson); None where arrivals
    have no law of their own (a trace, sessions, a closed loop). `ramp`: the rate changes within the stage."""

    name: str
    start: float
    end: float
    rate: float | None = None
    concurrency: int | None = None
    cv: float | None = None
    ramp: bool = False


class Generator(msgspec.Struct):
    """One process of the generator. `loop_delays`: seconds that timers of its event loop were late, sampled every
    10 ms; `cpu`: seconds of CPU in all; `cpu_share`: the most of a core it took in any second. A `collector` writes
    records and reads the server's counters: a cost of the run, and no doubt about what the senders measured."""

    cpu: float = 0.0
    cpu_share: float = 0.0
    loop_delays: list[float] = []
    role: Literal["sender", "collector"] = "sender"


class ServerSample(msgspec.Struct):
    """The server's own metrics at one moment, by name; sums over their labels of the model's series."""

    at: float
    values: dict[str, float]


class RunFacts(msgspec.Struct):
    """`started_at` is Unix time of second 0; `ended` when the last answer ended; `drained` says whether all that was
    sent had ended before the drain's deadline. `warmup`: seconds to leave out as the workload says, None = find it.
    `stopped`: when sending ended before the schedule did (Ctrl-C, or a search that knew enough); None = it did not.
    `faults`: what broke in the generator itself (a process of it died, records were not taken in time); a run with any
    is no measurement. `checked`: what counting a few answers with a tokenizer found."""

    target: str
    workload: str
    seed: int
    started_at: float
    ended: float
    stages: list[StageFacts]
    generators: list[Generator] = []
    server: list[ServerSample] = []
    drained: bool = True
    interrupted: bool = False
    headway: str = ""
    warmup: float | None = None
    stopped: float | None = None
    faults: list[str] = []
    checked: list[Finding] = []

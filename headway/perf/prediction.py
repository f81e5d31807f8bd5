"""What is asked of the model of performance, and what it says: each figure with its band."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Band", "Load", "Prediction"]


@dataclass(frozen=True, slots=True)
class Band:
    """A figure and the interval that holds 90 % of what is measured, by the residuals of settings like this one."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Load:
    """Of one replica: tokens of the mean request, and either how many callers wait for answers (closed loop) or how
    many requests come a second (open loop, Poisson). `cached`: prompt tokens found in the prefix cache, of `prompt`."""

    prompt: float
    output: float
    concurrency: float | None = None
    rate: float | None = None
    cached: float = 0.0


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds, tokens, per replica. `saturated`: an open loop's rate is more than the replica bears; latencies then
    grow without end and are infinite."""

    ttft: Band  # the mean
    ttft_p50: Band
    ttft_p95: Band
    tpot: Band  # the mean
    itl_p50: Band
    itl_p95: Band
    requests: Band  # a second
    running: float  # sequences at once, on the mean
    saturated: bool = False
    fitted_on: str = ""  # which constants: their source, for people

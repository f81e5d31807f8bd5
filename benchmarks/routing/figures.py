"""What one run shows: of samples to figures. Pure. Times are the engines' seconds.

A judged request that failed or was not done by the end is a miss. It counts with the time it had waited by then, a
lower bound, so that failing quickly never looks good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Figures", "Sample", "percentile", "summed_up"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One judged request. `first` and `whole`: seconds from when it was due to its first and its last token; without
    them it is a miss. `waited`: seconds from when it was due to the end of the run."""

    waited: float
    first: float | None = None
    whole: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    fault: str = ""  # what went wrong, if it was not just late

    @property
    def missed(self) -> bool:
        return self.whole is None


@dataclass(frozen=True, slots=True)
class Figures:
    requests: int
    missed: int
    faults: int
    ttft_p50: float
    ttft_p95: float
    ttft_mean: float
    e2e_p50: float
    hit_rate: float  # tokens of prompts found in the cache / tokens of prompts


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least this share of the values does not exceed (nearest rank)."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def summed_up(samples: Sequence[Sample]) -> Figures:
    first = [sample.waited if sample.first is None or sample.fault else sample.first for sample in samples]
    whole = [sample.waited if sample.whole is None else sample.whole for sample in samples]
    prompt = sum(sample.prompt_tokens for sample in samples)
    return Figures(
        requests=len(samples),
        missed=sum(sample.missed for sample in samples),
        faults=sum(bool(sample.fault) for sample in samples),
        ttft_p50=percentile(first, 0.5),
        ttft_p95=percentile(first, 0.95),
        ttft_mean=sum(first) / len(first) if first else math.nan,
        e2e_p50=percentile(whole, 0.5),
        hit_rate=sum(sample.cached_tokens for sample in samples) / prompt if prompt else 0.0,
    )

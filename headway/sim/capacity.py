"""What one replica bears inside its SLO, by its step times: what a scaler divides the demand by.

In production this is measured from answers; here the engine's own step times say it. Prompts: whole steps of the token
budget. Answers: the largest batch that has room in the KV cache and keeps the SLO's ITL while the prompts that belong
to it take their share u of the time: step / (1 - u).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from headway.perf.step.shape import Limits, StepTime
from headway.perf.traffic.planned import Planned
from headway.policy.route import Slo
from headway.policy.scaling.observation import Capacity
from headway.sim.measure.distribution import Distribution

__all__ = ["SAMPLE", "capacity_of", "lengths_of"]

SAMPLE = 2000
"""Requests from which the usual lengths are taken."""


def lengths_of(requests: Iterable[Planned]) -> tuple[float, float, float]:
    """Tokens of the mean prompt and answer of the first SAMPLE requests, and of a long prompt (95 %)."""
    prompts, outputs = Distribution(), Distribution()
    for planned in islice(requests, SAMPLE):
        prompts.add(float(planned.prompt_tokens))
        outputs.add(float(max(1, planned.output_tokens)))
    if not prompts.count:
        return 1.0, 1.0, 1.0
    return prompts.mean, outputs.mean, prompts.quantile(0.95)


def capacity_of(step: StepTime, limits: Limits, slo: Slo, lengths: tuple[float, float, float]) -> Capacity:
    prompt, output, longest = lengths
    budget = limits.token_budget
    whole = step.seconds(budget, budget * prompt / 2, max(1, round(budget / prompt)), 0, 0.0)
    context = prompt + output / 2
    low, high = 1, max(1, min(limits.most_sequences, int(limits.kv_tokens / context)))
    while low < high:
        middle = (low + high + 1) // 2
        alone = step.seconds(0, 0.0, 0, middle, middle * context)
        rate = middle / (output * alone)  # of requests, if prompts took no time
        if slo.itl is not None and alone * (1.0 + rate * prompt * whole / budget) > slo.itl:
            high = middle - 1
        else:
            low = middle
    tokens = int(longest)
    return Capacity(
        prefill=budget / whole,
        decode=low / step.seconds(0, 0.0, 0, low, low * context),
        sequences=float(low),
        first=step.seconds(tokens, tokens * longest / 2, 1, 0, 0.0),
        token=step.seconds(0, 0.0, 0, 1, context),
    )

"""A model of performance as plain as can be, and the smallest question to a planner."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from headway.errors import ResourceError
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.models import architecture
from headway.perf.limits import weight_bytes
from headway.perf.plan.asked import Asked
from headway.perf.plan.capacity import Performance
from headway.perf.plan.demand import Demand, Lengths
from headway.perf.plan.goal import Goal
from headway.perf.plan.offer import Offer, of_site
from headway.perf.plan.question import Question, Terms
from headway.perf.prediction import Band, Load, Prediction
from headway.perf.setting import Setting
from headway.perf.step.shape import Limits, StepTime
from headway.spec.load import load
from headway.spec.site import Site
from tests.support.batching import Affine

__all__ = ["LLAMA", "MIXED", "Plain", "demand", "offers", "question", "site"]

LLAMA: Architecture = architecture("meta-llama/Llama-3.1-70B-Instruct")
MIXED = """
kind: Site
name: mixed
inventory:
- {gpu: L4, count: 16, per-node: 4, price: 0.5/h}
- {gpu: A100-80-SXM, count: 16, price: 1.8/h}
- {gpu: H100-SXM, count: 16, price: 2.5/h, spot: {price: 1.1/h, preemptions: 0.05/h, count: 8}}
- {gpu: H100-SXM, count: 4, price: 2.5/h, mig: true}
- {gpu: H200-SXM, count: 8, price: 3.5/h}
- {gpu: B200-SXM, count: 8, price: 5/h}
"""


@dataclass(frozen=True, slots=True)
class Plain:
    """A step takes as long as reading the weights; a prompt as long as its arithmetic; latencies grow with load."""

    share: float = 0.5

    def limits(self, setting: Setting, /) -> Limits:
        free = setting.accelerator.memory * 0.9 - weight_bytes(setting)
        if free <= 0:
            raise ResourceError("it does not fit")
        return Limits(int(free / 80_000), most_sequences=setting.most_sequences or 256)

    def step_time(self, setting: Setting, /) -> StepTime:
        return Affine(weight_bytes(setting) / setting.accelerator.bandwidth / self.share)

    def predict(self, setting: Setting, load: Load, /) -> Prediction:
        step = weight_bytes(setting) / setting.accelerator.bandwidth / self.share
        prefill = (
            2 * 70e9 * (load.prompt - load.cached) / setting.tensor / setting.accelerator.flops["bf16"] / self.share
        )
        bears = 64 / (prefill * 8 + step * load.output)
        busy = load.rate / bears if load.rate is not None else 1 - 1 / (1 + (load.concurrency or 0) / 32)
        full = busy >= 1
        wait = inf if full else prefill * busy / (1 - busy)
        itl = step * (1 + 2 * min(busy, 1))
        return Prediction(
            ttft=_band(prefill + wait),
            ttft_p50=_band(prefill + wait),
            ttft_p95=_band(prefill + 3 * wait),
            tpot=_band(itl),
            itl_p50=_band(step),
            itl_p95=_band(itl),
            requests=_band(min(busy, 1) * bears),
            running=64 * min(busy, 1),
            saturated=full,
            fitted_on="plain",
        )


def _band(value: float) -> Band:
    return Band(value / 2, value, value * 2)


def site(text: str = MIXED) -> Site:
    (found,) = load(text, "f.yaml", "/")
    assert isinstance(found, Site)
    return found


def offers(text: str = MIXED) -> list[Offer]:
    return of_site(site(text), accelerator)


def demand(rate: float = 10.0, *, closed: bool = False) -> Demand:
    return Demand(Lengths(1000.0, 200.0, 3000.0, 500.0, 4000, 100.0), rate, rate * 0.7, closed)


def question(
    rate: float = 10.0,
    goal: Goal | None = None,
    *,
    asked: Asked | None = None,
    terms: Terms | None = None,
    by: Performance | None = None,
) -> Question:
    return Question(
        asked or Asked(), demand(rate), goal or Goal(1.0, 0.1), terms or Terms(), "vllm", 0.9, by or Plain()
    )

"""A Model in llama.cpp on this machine's cores, as `headway up` would start it: threads, slots, tokens of a step."""

from __future__ import annotations

from dataclasses import dataclass

from headway.cli.plan_facts import Facts
from headway.cli.plan_local import local_offers
from headway.engines.llama_flags import SLOT_CONTEXT, SLOTS
from headway.perf.cores import some_cores
from headway.perf.plan.asked import Asked
from headway.perf.setting import Setting
from headway.perf.step.shape import Limits
from headway.spec.fault import Fault
from headway.spec.model import Model

__all__ = ["Cores", "on_cores"]

BATCH = 2048
"""Tokens of one step of llama-server (its --batch-size), which it computes in pieces of --ubatch-size 512."""


@dataclass(frozen=True, slots=True)
class Cores:
    """`count`: of the machine; each replica has `setting.threads` of them. `limits`: by its slots. Tokens of keys and
    values lie one by one: what is found in a slot's cache is found to the token."""

    setting: Setting
    limits: Limits
    count: int


def on_cores(model: Model, facts: Facts, asked: Asked, replicas: int) -> Cores:
    """Raises Fault for args that are no numbers."""
    offer = local_offers("llamacpp")[0][0]
    count = offer.threads or 1
    args = {str(key).lstrip("-").replace("_", "-"): value for key, value in model.args.items()}
    wish = args.get("threads", args.get("t", 0))
    if isinstance(wish, bool) or not isinstance(wish, int | float) or wish < 0:
        raise Fault(f"found {wish!r}", "write a number of threads, like 1", ("args", "threads"))
    threads = int(wish) or int(model.cpu or 0) or max(1, count // max(1, replicas))
    slots = asked.sequences or SLOTS
    slot = min(facts.architecture.context or SLOT_CONTEXT, SLOT_CONTEXT)
    budget = asked.token_budget or BATCH
    setting = Setting(
        facts.architecture,
        some_cores(offer.accelerator, threads, of=count),
        "llamacpp",
        weights=asked.quantization or facts.native or "q4_k_m",
        kv="f16",
        most_sequences=slots,
        token_budget=budget,
        threads=threads,
    )
    return Cores(setting, Limits(asked.context or slots * slot, 1, slots, budget), count)

"""This machine as offers: the GPUs that the driver tells of, and the cores for llama.cpp. They are there, so an hour
costs nothing more."""

from __future__ import annotations

from headway.errors import ResourceError
from headway.perf.catalog.accelerators import accelerator
from headway.perf.plan.offer import Offer
from headway.perf.setting import EngineFamily
from headway.sites.local.inventory import read_inventory
from headway.sites.local.nvml import Gpus

__all__ = ["local_offers"]

OWNED = "this machine's own"


def local_offers(engine: EngineFamily) -> tuple[list[Offer], str]:
    """Raises ResourceError where there is nothing for this engine."""
    there = read_inventory(Gpus())
    if engine == "llamacpp":
        raise ResourceError("llama.cpp on cores", hint="")
    counts: dict[str, int] = {}
    for gpu in there.accelerators:
        counts[gpu.product] = counts.get(gpu.product, 0) + 1
    offers = []
    for product, count in counts.items():
        found = accelerator(product)
        offers.append(Offer(found, product, 0.0, OWNED, count, count))
    if not offers:
        raise ResourceError("this machine has no GPU", hint="leave --on out to see what could be rented")
    return offers, ", ".join(f"{count} {product}" for product, count in counts.items())

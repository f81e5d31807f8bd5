"""This machine as offers: the GPUs that the driver tells of, or the cores for llama.cpp. They are there already, so an
hour costs nothing more.

Cores are one offer of one replica with all of them: several would share the same memory, which is what decoding waits
for. Their speed is what `headway doctor --measure` kept, else the catalogue's for cores, by their number.
"""

from __future__ import annotations

from dataclasses import replace

from headway.engines.calibrations import calibrated
from headway.errors import ResourceError, UsageError
from headway.paths import StateDir
from headway.perf.catalog.accelerator import Accelerator
from headway.perf.catalog.accelerators import accelerator
from headway.perf.cores import some_cores
from headway.perf.plan.offer import Offer
from headway.perf.setting import EngineFamily
from headway.sites.base import Inventory
from headway.sites.local.inventory import read_inventory
from headway.sites.local.nvml import Gpus

__all__ = ["local_offers", "offers_of"]

OWNED = "this machine's own"


def local_offers(engine: EngineFamily) -> tuple[list[Offer], str]:
    """Raises ResourceError where there is nothing for this engine."""
    return offers_of(read_inventory(Gpus()), engine, StateDir.default())


def offers_of(there: Inventory, engine: EngineFamily, state: StateDir) -> tuple[list[Offer], str]:
    if engine == "llamacpp":
        cores = _cores(there, state)
        told = f"this machine: {there.cores} cores, {there.free_memory_bytes / 1e9:.1f} GB of memory free"
        return [Offer(cores, cores.name, 0.0, OWNED, 1, 1, threads=there.cores)], told
    counts: dict[str, int] = {}
    for gpu in there.accelerators:
        name = f"{gpu.product}/{gpu.profile.removeprefix('mig-')}" if gpu.profile else gpu.product
        counts[name] = counts.get(name, 0) + 1
    offers, unknown = [], []
    for name, count in counts.items():
        try:
            found = calibrated(accelerator(name), state)
        except UsageError:
            unknown.append(name)
        else:
            offers.append(Offer(found, name, 0.0, OWNED, 1 if found.cut_from else count, count))
    if not offers:
        others = f"this machine's GPUs are not in the catalogue: {', '.join(unknown)}"
        raise ResourceError(
            others if unknown else "this machine has no GPU", hint="leave --on out to see what could be rented"
        )
    return offers, "this machine: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def _cores(there: Inventory, state: StateDir) -> Accelerator:
    """As `headway doctor --measure` kept them, which measures all of them together; else so many of the catalogue's."""
    whole = accelerator("cpu")
    measured = calibrated(whole, state)
    if measured != whole:
        return replace(measured, name=f"{there.cores} cores", memory=there.free_memory_bytes)
    return some_cores(whole, there.cores, there.free_memory_bytes)

"""What a Revision asks of this machine, as the placement policy takes it."""

from __future__ import annotations

import re

from headway.engines.base import Need
from headway.errors import ResourceError
from headway.policy.gpu_choice import GpuWish
from headway.policy.placement import Wish
from headway.spec.revision import Revision

__all__ = ["gpu_wish", "wish_of"]


def wish_of(replica: str, revision: Revision, need: Need, *, engine_uses_gpus: bool, replicas: int) -> Wish:
    """The memory written in the file goes before the engine's estimate: its writer may know better."""
    said = revision.memory_bytes is not None
    why = f"memory in the file; the engine's estimate is {need.memory_bytes / 1e9:.2f} GB" if said else need.why
    return Wish(
        replica=replica,
        model=revision.model,
        memory_bytes=need.memory_bytes if revision.memory_bytes is None else revision.memory_bytes,
        gpu=gpu_wish(revision.gpu, engine_uses_gpus=engine_uses_gpus),
        cpu=revision.cpu,
        replicas=replicas,
        memory_why=why,
    )


def gpu_wish(text: str, *, engine_uses_gpus: bool) -> GpuWish | None:
    """None = cores. Left out and `auto` take a GPU when the engine can use one and one has room."""
    if text in ("", "auto"):
        return GpuWish(optional=True) if engine_uses_gpus else None
    return None if text == "cpu" else _parse(text)


def _parse(text: str) -> GpuWish:
    if re.fullmatch(r"mig-\d\S*", text):
        return GpuWish(mig_profile=text)
    if floor := re.fullmatch(r"(\d+(?:\.\d+)?) ?GB\.\.", text):
        return GpuWish(min_memory_bytes=int(float(floor[1]) * 1e9))
    if re.fullmatch(r"0?\.\d*[1-9]\d*", text):
        return GpuWish(fraction=float(text))
    if named := re.fullmatch(r"([A-Za-z][\w .-]*?)(?::([1-9]\d*))?", text):
        return GpuWish(product=named[1], count=int(named[2] or 1))
    if re.fullmatch(r"[1-9]\d*", text):
        return GpuWish(count=int(text))
    raise ResourceError(f"gpu: {text!r} is no GPU", hint="use auto, cpu, 24GB.., H100:2, 0.5 or mig-1g.10gb")

"""What a Revision asks of this machine, as the placement policy takes it."""

from __future__ import annotations

from headway.engines.base import Need
from headway.errors import ResourceError
from headway.policy.placement import Wish
from headway.spec.fault import Fault
from headway.spec.gpu import GpuWish, parse_gpu
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
    try:
        return parse_gpu(text)
    except Fault as fault:
        raise ResourceError(f"gpu: {fault}") from fault

"""Which GPUs a Replica gets: by count, product, memory, MIG slice or a share of one. Pure.

An exclusive GPU belongs to one Replica. A share (fraction < 1) is a share of the memory: shares of one GPU never
add up to more than the whole. Among those that fit, the smallest is taken, so that the large ones stay free for
Replicas that need them; several GPUs for one Replica are always of one product.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.spec.gpu import GpuWish

__all__ = ["Device", "Held", "choose", "fitting", "matching"]

_SLACK = 1e-9
"""Thirds and tenths do not add up to exactly 1 in floating point."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU or one MIG slice (then with `parent` and `profile`, e.g. mig-1g.10gb). Sizes are bytes."""

    uuid: str
    product: str
    memory_bytes: int
    free_bytes: int
    parent: str = ""
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What a Replica already has of a GPU; `promised_bytes` is not yet gone from the GPU's free memory."""

    uuid: str
    fraction: float = 1.0
    promised_bytes: int = 0


def matching(wish: GpuWish, devices: Sequence[Device]) -> tuple[Device, ...]:
    """The devices that are of the kind asked for, taken or not."""
    return tuple(device for device in devices if _is_of_kind(wish, device))


def fitting(wish: GpuWish, need_bytes: int, devices: Sequence[Device]) -> tuple[Device, ...]:
    """Those that would be large enough if nobody else used them."""
    each = -(-need_bytes // wish.count)
    return tuple(device for device in devices if device.memory_bytes * wish.fraction >= each)


def choose(wish: GpuWish, need_bytes: int, devices: Sequence[Device], held: Sequence[Held]) -> tuple[Device, ...]:
    """`wish.count` devices of one product that are free now; empty when there are none."""
    each = -(-need_bytes // wish.count)
    free = [device for device in devices if _has_room(wish, each, device, held)]
    free.sort(key=lambda device: (device.memory_bytes, -_used(device, held), device.uuid))
    for first in free:
        alike = [device for device in free if device.product == first.product]
        if len(alike) >= wish.count:
            return tuple(alike[: wish.count])
    return ()


def _is_of_kind(wish: GpuWish, device: Device) -> bool:
    if wish.mig_profile:
        return device.profile == wish.mig_profile
    if device.parent and (wish.count > 1 or wish.fraction < 1 or wish.product):
        return False  # CUDA gives a process one slice at most, and a slice is not the product it is cut from
    return device.memory_bytes >= wish.min_memory_bytes and _is_product(wish.product, device.product)


def _is_product(wanted: str, product: str) -> bool:
    """Whole words only (an L40S is no L4), written together or apart (RTX4090 is RTX 4090); or both are names of one
    accelerator of the catalogue (H100-SXM, as a plan writes it, is an NVIDIA H100 80GB HBM3)."""
    words = _words(product)
    asked = "".join(_words(wanted))
    runs = ("".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1))
    return not asked or asked in runs or _is_same(wanted, product)


def _is_same(wanted: str, product: str) -> bool:
    try:
        return accelerator(wanted).name == accelerator(product).name
    except UsageError:
        return False


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _has_room(wish: GpuWish, each: int, device: Device, held: Sequence[Held]) -> bool:
    if _used(device, held) + wish.fraction > 1 + _SLACK:
        return False
    promised = sum(one.promised_bytes for one in held if one.uuid == device.uuid)
    large_enough = fitting(replace(wish, count=1), each, (device,))
    return bool(large_enough) and device.free_bytes - promised >= each


def _used(device: Device, held: Sequence[Held]) -> float:
    return sum(one.fraction for one in held if one.uuid == device.uuid)

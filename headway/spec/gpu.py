"""`gpu:` of the user's file as a value: how many GPUs, of which kind, or which part of one.

auto          one GPU if one fits, else cores       H100:2        two GPUs of that product
cpu           cores only                            24GB..        one GPU with at least that much memory
1, 2, …       that many GPUs                        mig-1g.10gb   one MIG slice of that profile
0.5           that share of one GPU
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from headway.spec.fault import Fault, describe, nearest
from headway.spec.units import format_size, parse_size

__all__ = ["GpuWish", "format_gpu", "parse_gpu"]

GPU_FORM = "write auto, cpu, a number (1), a share (0.5), a product (H100 or H100:2), memory (24GB..) or mig-1g.10gb"
MOST = 128
"""GPUs for one Replica; the largest NVLink domains sold today have 72."""

_NUMBER = re.compile(r"\d{1,4}(\.\d{1,4})?")
_PRODUCT = re.compile(r"([A-Za-z](?=[A-Za-z0-9 ._-]*\d)[A-Za-z0-9 ._-]{0,39})(?::(\d{1,4}))?")
_MIG = re.compile(r"mig-\d+g\.\d+gb(\+[a-z.]+)?")


@dataclass(frozen=True, slots=True)
class GpuWish:
    """What is asked of GPUs. `optional`: the Replica runs on cores where no GPU fits ("auto")."""

    count: int = 1
    product: str = ""
    min_memory_bytes: int = 0
    mig_profile: str = ""
    fraction: float = 1.0
    optional: bool = False

    def __str__(self) -> str:
        what = self.mig_profile or self.product or "GPU"
        many = f"{self.fraction:g} of a {what}" if self.fraction < 1 else f"{self.count} x {what}"
        floor = f" of at least {format_size(self.min_memory_bytes)}" if self.min_memory_bytes else ""
        return many + floor


def parse_gpu(text: str | float) -> GpuWish | None:
    """None is `cpu`: cores only. Raises Fault with the accepted forms."""
    written = str(text) if not isinstance(text, bool) else ""
    if written in ("auto", "cpu"):
        return GpuWish(optional=True) if written == "auto" else None
    if _NUMBER.fullmatch(written):
        return _of_number(written)
    if written.startswith("mig-"):
        return GpuWish(mig_profile=_mig(written))
    if written.endswith(".."):
        return GpuWish(min_memory_bytes=_memory(written.removesuffix("..")))
    if match := _PRODUCT.fullmatch(written):
        return GpuWish(count=_count(match[2] or "1", written), product=match[1])
    raise Fault(f"found {describe(text)}", _hint(written))


def format_gpu(wish: GpuWish | None) -> str:
    """The text that `parse_gpu` reads back to the same value."""
    if wish is None:
        return "cpu"
    if wish.optional:
        return "auto"
    if wish.min_memory_bytes:
        return f"{format_size(wish.min_memory_bytes)}.."
    if wish.product:
        return wish.product if wish.count == 1 else f"{wish.product}:{wish.count}"
    return wish.mig_profile or (f"{wish.fraction:g}" if wish.fraction < 1 else str(wish.count))


def _of_number(text: str) -> GpuWish:
    number = Decimal(text)
    if 0 < number < 1:
        return GpuWish(fraction=float(number))
    if number % 1:
        raise Fault(f"found {text}", "write whole GPUs (1, 2) or a share of one below 1 (0.5)")
    return GpuWish(count=_count(str(int(number)), text))


def _count(digits: str, written: str) -> int:
    if not 1 <= int(digits) <= MOST:
        raise Fault(f"found {describe(written)}", f"write 1 to {MOST} GPUs, or cpu for none")
    return int(digits)


def _mig(written: str) -> str:
    if not _MIG.fullmatch(written):
        raise Fault(f"found {describe(written)}", "write a MIG profile as the driver names it, like mig-1g.10gb")
    return written


def _memory(text: str) -> int:
    try:
        size = parse_size(text)
    except Fault:
        size = 0
    if size <= 0:
        raise Fault(f"found {describe(text + '..')}", "write the least memory of the GPU like 24GB..")
    return size


def _hint(text: str) -> str:
    try:
        return f"write {format_size(parse_size(text))}.. for a GPU with at least that much memory"
    except Fault:
        meant = nearest(text, ("auto", "cpu"))
        return f"did you mean {meant}?" if meant else GPU_FORM

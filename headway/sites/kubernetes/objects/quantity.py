"""Cores and bytes as Kubernetes writes them."""

from __future__ import annotations

from math import ceil

from headway.spec.units import format_cpu

__all__ = ["cores", "mebibytes"]

MIB = 1 << 20


def mebibytes(size: float) -> str:
    """Rounded up; whole GiB are written so."""
    many = ceil(size / MIB)
    return f"{many >> 10}Gi" if many % 1024 == 0 and many else f"{many}Mi"


def cores(many: float) -> str:
    return format_cpu(round(many, 3))

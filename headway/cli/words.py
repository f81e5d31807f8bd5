"""Numbers as people read them."""

from __future__ import annotations

__all__ = ["ago", "duration", "plural", "size"]


def size(count: float) -> str:
    """Bytes in powers of ten, as disks and models are sold: 98 MB."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:.1f} {unit}" if count < 10 * power else f"{count / power:.0f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"


def ago(now: float, then: float) -> str:
    return duration(max(0.0, now - then))


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

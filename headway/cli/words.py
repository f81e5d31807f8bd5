"""Numbers as people read them."""

from __future__ import annotations

import os
from typing import TextIO

__all__ = ["ago", "coloured", "duration", "money", "one_line", "plural", "size"]


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


def money(micros: int) -> str:
    """To the cent, and further where it is less than one."""
    amount = micros / 1e6
    return f"{amount:.2f} USD" if amount >= 0.01 or not micros else f"{amount:.6f} USD"


def ago(now: float, then: float) -> str:
    return duration(max(0.0, now - then))


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def one_line(text: str) -> str:
    """Whatever another program said, on one line and without control characters that a terminal would obey."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def coloured(text: str, code: str, stream: TextIO) -> str:
    """With an ANSI colour where a person looks on and wants colours."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{code}m{text}\x1b[0m" if wanted else text

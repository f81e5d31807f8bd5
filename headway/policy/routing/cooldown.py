"""How long a failed endpoint is avoided."""

from __future__ import annotations

__all__ = ["cooldown"]


def cooldown(failures: int, first: float, longest: float) -> float:
    """Seconds for which an endpoint is avoided after `failures` (1 or more) failures in a row."""
    return float(min(longest, first * 2 ** min(failures - 1, 30)))

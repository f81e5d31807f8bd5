"""A Trace without a file, and where those that others recorded lie (they are never in the project)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.perf.traffic.trace import Call

__all__ = ["Recorded", "shared_trace"]

SHARED = Path(__file__).parents[3] / "shared" / "data" / "traces"


def shared_trace(name: str) -> Path:
    """Skips the test where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {name}, which others recorded and which is not part of the project (../shared/data/traces)")
    return path


class Recorded:
    """A Trace of these calls."""

    format, has_sessions = "made", True

    def __init__(self, *calls: Call) -> None:
        self._calls = calls
        self.name, self.passed_over = "made here", 0

    def calls(self, start: float, end: float, seed: int) -> Iterator[Call]:
        del seed
        return (each for each in self._calls if start <= each.at < end)

"""Recorded requests, as `wire.traces` reads them from files and `replay` makes a schedule of them.

A Trace is a source that can be read again and again, and never lies in memory whole. Its times are seconds since its
own first request, whatever clock the file has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from headway.perf.traffic.planned import Operation

__all__ = ["Block", "Call", "Trace"]

Block = tuple[int, int]
"""(hash, tokens): a stretch of a prompt; equal hashes are equal text with all that stands before it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded request. `answer`: seconds until its answer had ended, None = the file does not say. `blocks` say
    how its prompt begins (what is left of `prompt_tokens` is its own); `session` is equal within one conversation."""

    at: float
    prompt_tokens: int
    output_tokens: int
    blocks: tuple[Block, ...] = ()
    session: str = ""
    answer: float | None = None
    model: str = ""
    tenant: str = ""
    operation: Operation | None = None


class Trace(Protocol):
    """`name`: the file, for people. `format`: as in `spec.workload.TraceFormat`."""

    @property
    def name(self) -> str: ...

    @property
    def format(self) -> str: ...

    @property
    def has_sessions(self) -> bool:
        """Whether requests may be of sessions; no: `Call.session` is always empty."""

    def calls(self, start: float, end: float, seed: int) -> Iterator[Call]:
        """Those from `start` up to `end` (seconds), in the order of their times. `seed` is for formats that hold the
        law of requests and not each of them. Raises SpecError with file and line at the first that cannot be read."""

    @property
    def passed_over(self) -> int:
        """Requests of the last reading that were left out: recorded as failed or empty, so that nothing can be sent."""

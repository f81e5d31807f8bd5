"""A trace scaled in rate: so many copies of it laid over one another, each shifted a little.

To play it faster instead would shorten its waves against the cold start, which is what is judged. Each copy is shifted
by its own part of a minute, its end coming round to the beginning, so that waves stay and single bursts are not
multiplied; its blocks and sessions are its own, so that copies share no prompt. Of a part of a copy requests are
drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from headway.perf.traffic.draws import stream
from headway.perf.traffic.trace import Call, Trace

__all__ = ["SHIFT", "Copies"]

SHIFT = 60.0
"""Seconds over which copies are spread: more than a burst lasts, less than a cold start."""
_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples lie evenly in [0, 1) however many there are
_APART = 1 << 40  # between the blocks of two copies


class Copies:
    """A Trace of the window [start, start + seconds) of another; held in memory. `copies`: any number above 0."""

    def __init__(self, trace: Trace, copies: float, *, start: float, seconds: float, seed: int) -> None:
        self.name, self.format, self.has_sessions = trace.name, trace.format, trace.has_sessions
        laws = trace.format == "servegen"  # each copy is then another draw of the same law
        found: list[Call] = []
        for number in range(math.ceil(copies)):
            own = seed + number if laws else seed
            share = min(1.0, copies - number)
            found += _copy(trace, number, share, start=start, seconds=seconds, seed=own)
        self._calls = sorted(found, key=lambda call: call.at)
        self.passed_over = trace.passed_over

    def calls(self, start: float, end: float, seed: int) -> Iterator[Call]:
        del seed
        return (call for call in self._calls if start <= call.at < end)


def _copy(trace: Trace, number: int, share: float, *, start: float, seconds: float, seed: int) -> Iterator[Call]:
    shift = (number * _GOLDEN) % 1.0 * min(SHIFT, seconds)
    draw = stream(seed, f"copy {number}").random
    for call in trace.calls(start, start + seconds, seed):
        if draw() >= share:
            continue
        blocks = tuple((block + number * _APART, tokens) for block, tokens in call.blocks)
        session = f"{number}/{call.session}" if call.session else ""
        yield replace(call, at=(call.at - start + shift) % seconds, blocks=blocks, session=session)

"""Traffic that is recorded as a law: for each client and window of time a rate and how its gaps scatter, and quantiles
of its lengths. From that, requests.

As in ServeGen (Xiang et al., NSDI 2026), whose data has this form: each client is a renewal process of its own, with
gamma, Weibull or exponential gaps. The shape of the gaps is the recorded fit's; their mean is the recorded rate's, from
which the fits of Weibull laws stray by some percent.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from random import Random
from typing import Literal

from headway.perf.traffic.draws import gamma, stream
from headway.perf.traffic.trace import Call

__all__ = ["Client", "Gaps", "LengthTable", "Window", "calls_of"]

Gaps = Literal["Gamma", "Weibull", "Exponential"]


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` for `seconds`: so many requests a second. `shape` is the gaps' law's (Exponential: unused)."""

    start: float
    seconds: float
    rate: float
    gaps: Gaps
    shape: float


@dataclass(frozen=True, slots=True)
class LengthTable:
    """From `start` on. Quantiles of the tokens of prompts and answers, from least to most, equal parts apart."""

    start: float
    prompt: tuple[float, ...]
    output: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Client:
    """`windows` and `lengths` in the order of their starts."""

    name: str
    windows: tuple[Window, ...]
    lengths: tuple[LengthTable, ...]


def calls_of(clients: Sequence[Client], start: float, end: float, seed: int) -> Iterator[Call]:
    """Those of all clients between two times, in order. A window draws from a stream of its own, so that its requests
    are the same wherever reading begins."""
    return heapq.merge(*(_of_client(each, start, end, seed) for each in clients), key=attrgetter("at"))


def _of_client(client: Client, start: float, end: float, seed: int) -> Iterator[Call]:
    starts = [each.start for each in client.lengths]
    for window in client.windows:
        if window.start >= end:
            return
        if window.start + window.seconds <= start or not window.rate:
            continue
        table = client.lengths[max(bisect_right(starts, window.start) - 1, 0)]
        draw = stream(seed, f"client {client.name} at {window.start:g}")
        for at in _times(window, draw):
            # Drawn for what comes before `start` too: the same request has the same length wherever reading begins.
            prompt, output = (_at(each, draw.random()) for each in (table.prompt, table.output))
            if at >= end:
                return
            if at >= start:
                yield Call(at, prompt, output)


def _times(window: Window, draw: Random) -> Iterator[float]:
    scale = 1 / (window.rate * _mean(window))
    at = window.start + draw.random() * _gap(window, draw) * scale
    while at < window.start + window.seconds:
        yield at
        at += _gap(window, draw) * scale


def _gap(window: Window, draw: Random) -> float:
    """Of scale 1."""
    if window.gaps == "Gamma":
        return gamma(window.shape, draw)
    gap = -math.log(1 - draw.random())
    return gap ** (1 / window.shape) if window.gaps == "Weibull" else gap


def _mean(window: Window) -> float:
    """Of gaps of scale 1."""
    if window.gaps == "Gamma":
        return window.shape
    return math.gamma(1 + 1 / window.shape) if window.gaps == "Weibull" else 1.0


def _at(quantiles: tuple[float, ...], part: float) -> int:
    """Straight between two quantiles; at least one token."""
    place = part * (len(quantiles) - 1)
    below = int(place)
    above = min(below + 1, len(quantiles) - 1)
    return max(1, round(quantiles[below] + (quantiles[above] - quantiles[below]) * (place - below)))

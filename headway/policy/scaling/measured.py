"""What one replica bears, from how fast replicas are seen to be: `policy.speed` learns that from every answer.

A replica that computes n answers at once and r requests a second, of P prompt and O answer tokens each, is busy when

    r * (P * prefill + O * token(n) / n) = 1        token(n) = step + n * (sequence + context * C)

with C the tokens of context of one, and by Little's law its tokens come n / (r * O) seconds apart. Within the SLO's ITL
that gives the most that it can bear:

    n * (P * prefill / O + sequence + context * C) + step <= itl

Speeds are lines and not throughputs, because a replica that is half idle shows a low throughput and no lack of
capacity: who sized by that would never come down. The median over replicas, without those that have answered too little
to know: first answers wait for kernels to be compiled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from headway.policy.scaling.observation import Capacity

__all__ = ["WARM", "Lines", "Mean", "Room", "capacity", "measured"]

WARM = 400
"""First tokens that a replica must have given before its speed counts. Its first answers wait for kernels, and the
three coefficients of a token's time need answers at several loads: after a hundred they still miss by a third."""
_LEAST = 1e-9


class Lines(Protocol):
    """Seconds, as in policy.speed."""

    @property
    def first(self) -> float: ...
    @property
    def prefill(self) -> float: ...
    @property
    def step(self) -> float: ...
    @property
    def sequence(self) -> float: ...
    @property
    def context(self) -> float: ...


class Measured(Lines, Protocol):
    @property
    def samples(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Speeds:
    """Lines as a value."""

    first: float
    prefill: float
    step: float
    sequence: float
    context: float


@dataclass(frozen=True, slots=True)
class Mean:
    """Tokens of the mean request: `prompt` to be computed, `seen` with what is cached, `output`; `longest`: of a prompt
    that is longer than 95 % of them."""

    prompt: float
    output: float
    seen: float
    longest: float


@dataclass(frozen=True, slots=True)
class Room:
    """Of one replica: sequences at once, tokens of KV memory; the SLO's seconds for a token."""

    sequences: float
    kv_tokens: float
    itl: float | None = None


def measured(replicas: Iterable[Measured], mean: Mean, room: Room) -> Capacity | None:
    """None: no replica has answered enough yet."""
    warm = [each for each in replicas if each.samples >= WARM]
    if not warm:
        return None
    middle = Speeds(
        median(each.first for each in warm),
        median(each.prefill for each in warm),
        median(each.step for each in warm),
        median(each.sequence for each in warm),
        median(each.context for each in warm),
    )
    return capacity(middle, mean, room)


def capacity(lines: Lines, mean: Mean, room: Room) -> Capacity:
    """Of a replica with these speeds."""
    output, held = max(mean.output, 1.0), mean.seen + mean.output / 2
    each = lines.sequence + lines.context * held
    most = max(1.0, min(room.sequences, room.kv_tokens / max(held, 1.0)))
    if room.itl is not None:
        beside = mean.prompt * lines.prefill / output + each
        most = max(1.0, min(most, (room.itl - lines.step) / max(beside, _LEAST)))
    token = lines.step + most * each
    return Capacity(
        prefill=1.0 / max(lines.prefill, _LEAST),
        decode=most / max(token, _LEAST),
        sequences=most,
        first=lines.first + mean.longest * lines.prefill,
        token=lines.step + each,
    )

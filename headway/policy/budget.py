"""Limits that many workers share without asking: leases on counters that only grow.

Each worker counts what it used of a tenant's REQUESTS, TOKENS and MICROS (money), and what its running requests may
still use (`in_flight`). For each limit the hub tells each worker a `mark`: how far that worker's counter may go. So

    headroom = mark - returned - used - in_flight         what the worker may still promise
    open     = mark - returned - used                     what it holds of the limit: headroom and promises

and the limit holds over all workers as long as spent + the sum of `open` never exceeds it. Every number has one writer
(`mark` and `ask` the hub, all others the worker) and nothing is lost by replaying a message: the counters are sums.
A worker gives unused headroom back by raising `returned` when the hub raises `ask`. Of a dead worker `used + in_flight`
is charged, since nobody knows what the engine still did, and the rest of what it held returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

__all__ = [
    "AXES",
    "AXIS_OF",
    "BUDGETS",
    "LIMITS",
    "Amounts",
    "Axis",
    "Limit",
    "Move",
    "Position",
    "raised",
    "share_out",
]


class Axis(IntEnum):
    """What is counted. RUNNING is never used up: a request holds one while it runs."""

    REQUESTS = 0
    RUNNING = 1
    TOKENS = 2
    MICROS = 3


class Limit(IntEnum):
    """A budget in tokens and the same in money are two limits, so that changing the unit can mix up nothing."""

    RPM = 0
    TPM = 1
    PARALLEL = 2
    DAY_TOKENS = 3
    DAY_MICROS = 4
    MONTH_TOKENS = 5
    MONTH_MICROS = 6


AXES: Final = len(Axis)
LIMITS: Final = len(Limit)
AXIS_OF: Final = (Axis.REQUESTS, Axis.TOKENS, Axis.RUNNING, Axis.TOKENS, Axis.MICROS, Axis.TOKENS, Axis.MICROS)
"""By Limit."""
BUDGETS: Final = (Limit.DAY_TOKENS, Limit.DAY_MICROS, Limit.MONTH_TOKENS, Limit.MONTH_MICROS)


class Amounts:
    """Of each Axis. Never changed. No dataclass, whose constructor stays interpreted where all else is compiled."""

    __slots__ = ("micros", "requests", "running", "tokens")

    def __init__(self, requests: int = 0, running: int = 0, tokens: int = 0, micros: int = 0) -> None:
        self.requests, self.running, self.tokens, self.micros = requests, running, tokens, micros

    def each(self) -> tuple[int, int, int, int]:
        """By Axis."""
        return (self.requests, self.running, self.tokens, self.micros)

    def on(self, axis: Axis) -> int:
        return self.each()[axis]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amounts) and self.each() == other.each()

    def __hash__(self) -> int:
        return hash(self.each())

    def __repr__(self) -> str:
        return f"Amounts{self.each()}"


@dataclass(frozen=True, slots=True)
class Position:
    """One worker at one limit. `wanted`: what a request that waits there needs; 0 = none waits."""

    worker: int
    headroom: int
    wanted: int = 0

    @property
    def short(self) -> int:
        """What is missing for the one that waits. A debt (headroom below 0) counts only when somebody waits."""
        return max(0, self.wanted - self.headroom) if self.wanted else 0

    @property
    def idle(self) -> int:
        """What could be given back without harm to the one that waits."""
        return max(0, self.headroom - self.wanted)


@dataclass(frozen=True, slots=True)
class Move:
    """What the hub does at one worker: grant more, or ask unused headroom back."""

    worker: int
    grant: int = 0
    ask: int = 0


def share_out(
    free: int, positions: Sequence[Position], *, ahead: int = 0, gateways: int = 1, idle: int | None = None
) -> list[Move]:
    """How `free`, what nobody holds of a limit, is lent to the workers. Never grants more than `free`.

    Who waits comes first, the smallest need before larger ones, whole or not at all: a part of a need admits nobody.
    When all needs are met, half of all that is not promised is spread evenly as a cushion and half stays with the hub;
    so far from the limit nobody ever waits, near it the cushions shrink to nothing, and the last tokens go, exactly
    sized, to whoever wants them. What is missing for a need is asked back from those who hold it idle, and for the
    smallest one even from those who wait themselves.

    Among several `gateways`, `ahead` is what requests lack that wait elsewhere and come before those here: it is left
    to them, and what is missing of it is asked back. The cushion is one gateway's part, and `idle` of it at the most;
    what lies idle here beyond twice that is asked back, so that a gateway that is lost takes little with it.
    """
    free -= ahead
    grants = dict.fromkeys((each.worker for each in positions), 0)
    left, unmet = max(0, free), 0
    first: Position | None = None  # of those that wait in vain
    for each in sorted((p for p in positions if p.short), key=lambda p: (p.short, p.worker)):
        if each.short <= left and not unmet:
            grants[each.worker] += each.short
            left -= each.short
        else:
            first = first or each
            unmet += each.short
    if not unmet:
        _cushion(left, positions, grants, gateways, idle)
    missing = max(0, unmet - left) + max(0, -free)
    if idle is not None and (lying := sum(each.idle for each in positions)) > 2 * idle:
        missing = max(missing, lying - idle)
    asks = _ask_back(missing, positions)
    if first is not None and (owed := min(ahead, max(0, -free)) - sum(asks.values())) > 0:
        _ask_of_all(owed, positions, asks)
    if first is not None and not any(grants.values()):  # else somebody can go, and what is then left is shared anew
        _ask_of_the_waiting(first, first.short - left - sum(asks.values()), positions, asks)
    moves = (Move(each.worker, grants[each.worker], asks.get(each.worker, 0)) for each in positions)
    return [move for move in moves if move.grant or move.ask]


def _cushion(left: int, positions: Sequence[Position], grants: dict[int, int], gateways: int, idle: int | None) -> None:
    if not positions:
        return
    whole = (left + sum(each.idle for each in positions)) // (2 * gateways)
    even = (whole if idle is None else min(whole, idle)) // len(positions)
    for each in sorted(positions, key=lambda p: (p.idle, p.worker)):
        more = min(left, max(0, even - each.idle))
        grants[each.worker] += more
        left -= more


def _ask_back(missing: int, positions: Sequence[Position]) -> dict[int, int]:
    asks = {}
    for each in sorted(positions, key=lambda p: (-p.idle, p.worker)):
        if asked := min(missing, each.idle):
            asks[each.worker] = asked
            missing -= asked
    return asks


def _ask_of_the_waiting(first: Position, missing: int, positions: Sequence[Position], asks: dict[int, int]) -> None:
    """Nobody has enough and all wait: the one that lacks least gets from those that lack most, or all would wait on."""
    for each in sorted(positions, key=lambda p: (-p.short, p.worker)):
        asked = asks.get(each.worker, 0)
        more = min(missing, max(0, each.headroom) - asked)
        if more > 0 and each.short and each.worker != first.worker:
            asks[each.worker] = asked + more
            missing -= more


def _ask_of_all(missing: int, positions: Sequence[Position], asks: dict[int, int]) -> None:
    """Who waits elsewhere comes first: even those who wait here give what does not suffice for them."""
    for each in sorted((p for p in positions if p.short), key=lambda p: (-p.short, p.worker)):
        asked = asks.get(each.worker, 0)
        if (more := min(missing, max(0, each.headroom) - asked)) > 0:
            asks[each.worker] = asked + more
            missing -= more


def raised(mark: int, used: int, returned: int, grant: int) -> int:
    """The mark after a grant. A counter that went past its mark (an answer longer than promised, or a limit that is
    new) was charged all the same: the grant counts from where it is."""
    return max(mark, used + returned) + grant


def headroom(mark: int, used: int, returned: int, in_flight: int) -> int:
    """As the hub counts it, who would raise the mark from where the counter is."""
    return raised(mark, used, returned, 0) - returned - used - in_flight

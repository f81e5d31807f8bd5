"""What an engine did while one request waited for its first token, and while its answer was written.

The other requests on the same replica tell it: an engine's steps are one after the other, and each gives every sequence
that is being written one token. So of two answers that were written at the same time for k steps, both got k tokens;
and a prompt that was done in the middle of an answer was computed in a step that this answer waited for. Nothing of
queues or policies needs to be known, and the engine's seconds are compared with its own work alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from headway.perf.live.seen import Seen

__all__ = ["Prompt", "Spell", "spells"]

SAME = 0.002
"""Seconds between first tokens of one step, at most, as a client on the same machine sees them."""
SHORTEST = 4
"""Tokens of an answer whose pace is worth something."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """`share`: how much of its step fell into the spell; `finishing`: prompts that were done in it."""

    share: float
    new: float
    attended: float
    finishing: int = 1


@dataclass(frozen=True, slots=True)
class Spell:
    """`seconds` measured. `steps` that were only decoding, with `decodes` sequences of `context` tokens together, and
    steps with `prompts`, beside as many. `crowd`: other replicas that computed meanwhile, on the mean. `waits`: before
    the first token; else between the first and the last."""

    waits: bool
    seconds: float
    steps: float
    decodes: float
    context: float
    prompts: tuple[Prompt, ...]
    crowd: float
    at: float


def spells(seen: Sequence[Seen], prompt_seconds: Callable[[Seen], float], seats: int) -> list[Spell]:
    """In the order of their requests' coming. `prompt_seconds`: about how long a prompt's own step takes; `seats`:
    sequences that run at once: who came when all were taken waited for more than these spells tell, and is left out."""
    ordered = sorted(seen, key=lambda each: (each.replica, each.sent))
    by_replica = {name: list(rows) for name, rows in groupby(ordered, key=lambda each: each.replica)}
    busy = {name: _busy(rows) for name, rows in by_replica.items()}
    found: list[Spell] = []
    for name, rows in by_replica.items():
        others = [times for other, times in busy.items() if other != name]
        longest = max(each.last - each.sent for each in rows)
        starts = [each.sent for each in rows]
        for index, one in enumerate(rows):
            begin = bisect_left(starts, one.sent - longest)
            end = bisect_left(starts, one.last)
            near = [each for at, each in enumerate(rows[begin:end], begin) if at != index and each.last > one.sent]
            found += _of(one, near, others, prompt_seconds, seats)
    return sorted(found, key=lambda each: each.at)


def _of(
    one: Seen,
    near: Sequence[Seen],
    others: Sequence[Sequence[tuple[float, float]]],
    prompt_seconds: Callable[[Seen], float],
    seats: int,
) -> Iterator[Spell]:
    running = sum(each.sent < one.sent < each.last for each in near)
    if running < seats:
        yield _waiting(one, near, _crowd(others, one.sent, one.first), prompt_seconds)
    if one.output >= SHORTEST and one.last > one.first:
        yield _writing(one, near, _crowd(others, one.first, one.last))


def _waiting(one: Seen, near: Sequence[Seen], crowd: float, prompt_seconds: Callable[[Seen], float]) -> Spell:
    """It comes in the middle of a step, on the mean; other prompts may be before it, or in its own step."""
    prompts, new, attended, finishing = [], float(one.new), one.attended, 1
    for each in near:
        if abs(each.first - one.first) <= SAME:
            new, attended, finishing = new + each.new, attended + each.attended, finishing + 1
        elif one.sent < each.first < one.first:
            took = max(prompt_seconds(each), 1e-6)
            prompts.append(Prompt(min(1.0, (each.first - one.sent) / took), each.new, each.attended))
    prompts.append(Prompt(1.0, new, attended, finishing))
    beside = [each for each in near if each.first < one.first - SAME and each.last >= one.first - SAME]
    partly = sum(each.first < one.sent < each.last for each in near) > 0 and len(prompts) == 1
    context = sum(_context(each, one.first) for each in beside)
    return Spell(True, one.first - one.sent, 0.5 * partly, float(len(beside)), context, tuple(prompts), crowd, one.sent)


def _writing(one: Seen, near: Sequence[Seen], crowd: float) -> Spell:
    steps = one.output - 1
    decodes, context = 1.0, one.context
    for each in near:
        written = _overlap(each.first, each.last, one.first, one.last)
        if written > 0 and each.output > 1:
            tokens = (each.output - 1) * written / (each.last - each.first)
            decodes += tokens / steps
            context += each.context * tokens / steps
    prompts = tuple(_steps(each for each in near if one.first + SAME < each.first <= one.last + SAME))
    pure = max(0.0, float(steps - len(prompts)))
    return Spell(False, one.last - one.first, pure, decodes, context, prompts, crowd, one.sent)


def _steps(done: Iterable[Seen]) -> Iterator[Prompt]:
    """Prompts that were done at one time were computed in one step."""
    together: list[Seen] = []
    for each in sorted(done, key=lambda each: each.first):
        if together and each.first - together[-1].first > SAME:
            yield _step(together)
            together = []
        together.append(each)
    if together:
        yield _step(together)


def _step(prompts: Sequence[Seen]) -> Prompt:
    return Prompt(1.0, float(sum(each.new for each in prompts)), sum(each.attended for each in prompts), len(prompts))


def _context(each: Seen, now: float) -> float:
    lasted = each.last - each.first
    done = (now - each.first) / lasted if lasted > 0 else 1.0
    return each.prompt + each.output * min(1.0, max(0.0, done))


def _overlap(begin: float, end: float, low: float, high: float) -> float:
    return min(end, high) - max(begin, low)


def _busy(rows: Sequence[Seen]) -> list[tuple[float, float]]:
    """When a replica had something to do."""
    found: list[tuple[float, float]] = []
    for each in rows:
        if found and each.sent <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], each.last)
        else:
            found.append((each.sent, each.last))
    return found


def _crowd(others: Sequence[Sequence[tuple[float, float]]], low: float, high: float) -> float:
    if high <= low:
        return 0.0
    total = 0.0
    for times in others:
        at = max(0, bisect_left(times, (low, low)) - 1)
        while at < len(times) and times[at][0] < high:
            total += max(0.0, _overlap(*times[at], low, high))
            at += 1
    return total / (high - low)

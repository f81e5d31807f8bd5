"""The highest rate that a server bears with the goal's share of requests inside the SLO: which rate to try next, or
the answer.

Pure: `decide(goal, seen)` looks at the stages so far, as the policies of this house do. Three steps:

1. **Around it.** From a rate that one caller's pace suggests, three times as much until a stage is outside the goal.
2. **Just under what was answered.** A server that could not keep up showed how much it answers while it always has
   work. Queues take their toll before that, so this is where to look next and proves nothing.
3. **Where the belief is.** Each further stage at the median of what all stages together say (headway.bench.belief),
   until the interval is as narrow as was asked, or the load that may be spent is spent. These are longer, and not
   ended for looking good: a rate that is a hundredth too high looks good until its queue is as long as the SLO is
   patient.

No rate lasts that is above what the server ever answered: once it was overloaded, that bounds the belief from above.

When a stage may end early is headway.bench.staging's. What a server cannot keep up with has, in the long run, not one
request inside, and counts so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headway.bench.belief import Belief, Evidence, believe
from headway.bench.sequential import Runs, batch_effect, design_effect

__all__ = ["Found", "Goal", "Probe", "Seen", "decide"]

GROW = 3.0
"""Between two rates on the way up."""
FIRST_CALLERS = 4.0
"""The first rate: so many callers at the pace of one that is alone."""
UNDER = 0.95
"""Of what an overloaded server answered, to look at next."""
FEWEST_REQUESTS = 20
"""Of a stage that says anything of 95 %; a slow server's stages last longer for it."""
SHORTEST = 3.0
"""Seconds of a stage, beyond its warm-up."""
WAY_UP, CLOSE = 1 / 14, 1 / 6
"""Of the load that may be spent: the most for a stage on the way up, and for one near the answer."""
MOST_STAGES = 14
FILLING = 0.2
"""Of a stage near the answer: a busy queue takes longer than an empty server to be what it will be."""
ABOVE_ANSWERED = 1.03
"""Of the most that was answered: it is known to some hundredths."""
CLOSE_STAGES = 4
"""At the least, before an answer is precise: one alone may have been lucky. Even arrivals leave less to luck."""
CLOSE_STAGES_EVEN = 2
LASTING = Runs(4.5, 5)
"""Runs of misses that are imagined where arrivals are random, for a queue's bad times last: D is 11 before any is
seen."""
TELLING = 4.0
"""Of the allowed misses: a stage of even arrivals with more of them is on the other side, and its one bad time, which
grows to the end, tells nothing of how long they are at the goal."""
HOPELESS = 5
"""Stages that are all outside, each at a third of the last one's rate: no rate will do."""
OVERLOAD_WEIGHT = 8.0
"""Misses that an overloaded stage counts for, at least: growth without an end is no matter of a few unlucky ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """`share` inside the SLO (0..1); `seconds`: load that may be spent; `precision`: half of the interval as a share
    of the answer, at which the search ends; `first`: a rate to begin at, where the user knows one; `cv`: variation of
    the arrivals, 0 = even. Of the server: `alone`: seconds that a request takes when there is no other; `patience`:
    seconds that the SLO lets one wait."""

    share: float = 0.95
    seconds: float = 110.0
    precision: float = 0.03
    first: float | None = None
    cv: float = 1.0
    alone: float = 1.0
    patience: float = 0.0

    @property
    def warm(self) -> float:
        """Seconds at the beginning of a stage that do not count: an empty server fills as long as a request takes."""
        return min(max(0.5, 1.5 * self.alone), self.seconds / 20)


@dataclass(frozen=True, slots=True)
class Seen:
    """A stage: `rate` as it was realised (a Poisson stream of 100 requests is off by 10), `hits` in the order in
    which the requests were due (without the warm-up), `answered` a second while it lasted."""

    rate: float
    hits: tuple[bool, ...]
    seconds: float
    overloaded: bool = False
    answered: float = 0.0
    close: bool = False

    @property
    def share(self) -> float:
        return sum(self.hits) / len(self.hits) if self.hits else 0.0

    def is_outside(self, goal: float) -> bool:
        return self.overloaded or (bool(self.hits) and self.share < goal)

    def is_telling(self, goal: Goal) -> bool:
        """Of how long bad times are at the goal."""
        return not self.overloaded and (goal.cv > 0 or 1 - self.share <= TELLING * (1 - goal.share))

    def runs(self, goal: Goal) -> Runs:
        """Of misses."""
        return Runs.of(self.hits) if self.is_telling(goal) else Runs()

    def evidence(self, goal: float, others: Runs, alike: float) -> Evidence:
        """`others`: the runs of misses of all other stages; `alike`: the batch effect of all."""
        weight = len(self.hits) / max(alike, design_effect(self.hits, goal, others))
        if self.overloaded:
            return Evidence(self.rate, 0.0, max(weight, OVERLOAD_WEIGHT))
        return Evidence(self.rate, weight * self.share, weight * (1 - self.share))


@dataclass(frozen=True, slots=True)
class Probe:
    """Send `rate` requests a second for `seconds` at the most, of which the first `warm` do not count. `close`: near
    the answer, so that it is not ended early for looking good."""

    rate: float
    seconds: float
    warm: float
    close: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """`rate` with its 95 % interval, requests a second; 0 when no rate will do, `high` infinite when none was too
    much. `bracketed`: a stage was inside and another was not; without, there is no answer. `precise`: as narrow as
    was asked."""

    rate: float
    low: float
    high: float
    stages: int
    seconds: float
    bracketed: bool
    precise: bool
    why: str


def decide(goal: Goal, seen: Sequence[Seen]) -> Probe | Found:
    if not seen:
        return _probe(goal, seen, goal.first or FIRST_CALLERS / goal.alone, WAY_UP)
    inside = [each for each in seen if not each.is_outside(goal.share)]
    if not inside and len(seen) >= HOPELESS:
        return _answer(goal, seen, 0.0, 0.0, min(each.rate for each in seen), why="no rate will do")
    if _spent(goal, seen):
        return _believed(goal, seen, "the load that may be spent is spent")
    enough = CLOSE_STAGES if goal.cv > 0 else CLOSE_STAGES_EVEN
    bracketed = inside and len(inside) < len(seen) and sum(each.close for each in seen) >= enough
    if bracketed and _belief(goal, seen).width <= goal.precision:
        return _believed(goal, seen, f"known to {goal.precision:.0%}")
    return _probe(goal, seen, *_next(goal, seen, inside))


def _next(goal: Goal, seen: Sequence[Seen], inside: Sequence[Seen]) -> tuple[float, float]:
    """A rate, and which part of the load to spend on it."""
    if len(inside) == len(seen):
        return max(each.rate for each in inside) * GROW, WAY_UP
    if (hint := _hint(seen, inside)) is not None:
        return hint, CLOSE
    if not inside:
        return min(each.rate for each in seen) / GROW, WAY_UP
    return _belief(goal, seen).median, CLOSE


def _belief(goal: Goal, seen: Sequence[Seen]) -> Belief:
    """Bounded by what was answered, once the server had more to do than it could."""
    most = math.inf
    if any(each.overloaded for each in seen):
        most = ABOVE_ANSWERED * max(each.answered for each in seen) or math.inf
    runs, before = [each.runs(goal) for each in seen], LASTING if goal.cv > 0 else Runs()
    others = [sum((each for j, each in enumerate(runs) if i != j), before) for i in range(len(seen))]
    alike = batch_effect([each.hits for each in seen if each.is_telling(goal)])
    evidence = [each.evidence(goal.share, known, alike) for each, known in zip(seen, others, strict=True)]
    return believe(evidence, goal.share, most=most)


def _hint(seen: Sequence[Seen], inside: Sequence[Seen]) -> float | None:
    """Just under what the server answered when it was first overloaded; once, and only above what is known to be
    inside."""
    last = seen[-1]
    if not (last.overloaded and last.answered > 0 and sum(each.overloaded for each in seen) == 1):
        return None
    hint = UNDER * last.answered
    return hint if all(hint > each.rate for each in inside) else None


def _probe(goal: Goal, seen: Sequence[Seen], rate: float, share: float) -> Probe:
    left = goal.seconds - sum(each.seconds for each in seen)
    wanted = max(share * goal.seconds, FEWEST_REQUESTS / rate, SHORTEST) + goal.warm
    seconds, close = min(left, wanted), share == CLOSE
    return Probe(rate, seconds, max(goal.warm, FILLING * seconds) if close else goal.warm, close)


def _spent(goal: Goal, seen: Sequence[Seen]) -> bool:
    return goal.seconds - sum(each.seconds for each in seen) < SHORTEST + goal.warm or len(seen) >= MOST_STAGES


def _believed(goal: Goal, seen: Sequence[Seen], why: str) -> Found:
    belief, inside = _belief(goal, seen), [each for each in seen if not each.is_outside(goal.share)]
    if len(inside) == len(seen):
        return _answer(goal, seen, belief.median, belief.low, math.inf, why=f"{why}; even the highest rate was inside")
    if not inside:
        highest = min(each.rate for each in seen)
        return _answer(goal, seen, belief.median, 0.0, highest, why=f"{why}; even the lowest rate was not inside")
    return _answer(goal, seen, belief.median, belief.low, belief.high, why=why)


def _answer(goal: Goal, seen: Sequence[Seen], rate: float, low: float, high: float, *, why: str) -> Found:
    outside = sum(each.is_outside(goal.share) for each in seen)
    bracketed = 0 < outside < len(seen)
    precise = bracketed and rate > 0 and (high - low) / 2 / rate <= goal.precision
    return Found(rate, low, high, len(seen), sum(each.seconds for each in seen), bracketed, precise, why)

"""Which endpoint takes a request.

`choose` looks at the endpoints that may have it and picks one. The policy `predicted_latency` picks the least cost in
seconds (marginal latency routing; derived in gateway.md section 3.2 from the costs of Preble's E2 and NVIDIA Dynamo,
without their per-GPU constants: what an endpoint can do is learned):

    own    = base + per_token * (tokens being prefilled there + tokens of this one that are not cached there)
    others = per_token * uncached * running          the stall that this prefill puts on who runs there
           + per_running * output * (2 * running)    the slower steps, theirs and its own
    memory = SECONDS_OVER_FULL * KV use above FULL   evicting and preempting cost everybody
    adapter = seconds to load it, where it is not
    cost   = own + SHARE * min(others, LIMIT * the least own) + memory + adapter

SHARE weighs the harm to others against one's own wait, as tuned in that section; LIMIT guards the tail: without it,
long prompts were herded onto few endpoints where nothing is shared. Endpoints within NEAR of the least cost are equals,
and equals are drawn from, so that routers that know the same do not herd.

The other policies are what peers do, to compare with and to fall back to. Pure: the caller passes time and draw.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from headway.policy.speed import Speed

__all__ = ["Ask", "Candidate", "Choice", "Policy", "Why", "choose", "cooldown", "terms"]

Policy = Literal["predicted_latency", "round_robin", "least_request", "power_of_two", "prefix_affinity"]

SHARE = 0.3
LIMIT = 4.0
NEAR = 1.02
FULL = 0.85
SECONDS_OVER_FULL = 20.0
ADAPTER_SECONDS = 0.5
SLOW_START_SECONDS = 10.0
"""A new endpoint counts, at first, as busy as the average; less and less so until this age. A cold engine answers its
first requests slowly, and everybody would find it empty at once."""

# prefix_affinity: as sglang-router's cache_aware (gateway.md 1.2, its command line's defaults)
AFFINITY_SHARE = 0.3
UNBALANCED_ABSOLUTE = 64
UNBALANCED_RELATIVE = 1.5


class Candidate(Protocol):
    """An endpoint as routing sees it. Requests and tokens are of all workers of this gateway."""

    @property
    def id(self) -> str: ...
    @property
    def running(self) -> int: ...
    @property
    def pending(self) -> float:
        """Prompt tokens sent there, not cached there, whose first token has not come."""

    @property
    def context(self) -> float:
        """Tokens that the requests running there have put into its KV cache."""

    @property
    def beyond(self) -> float:
        """Requests there that somebody else sent."""

    @property
    def kv_tokens(self) -> int:
        """What its KV cache holds; 0 = unknown."""

    @property
    def speed(self) -> Speed: ...
    @property
    def since(self) -> float:
        """When it became an endpoint."""

    @property
    def cooling_until(self) -> float:
        """It failed, and is avoided until then; 0 = it did not."""

    @property
    def adapters(self) -> Container[str] | None:
        """Those loaded; None = unknown."""


class Why(StrEnum):
    ONLY_ONE = "only_one"
    LEAST_COST = "least_cost"
    EQUALS_DRAWN = "equals_drawn"
    POLICY = "policy"  # a baseline's pick
    ALL_FAILED_RECENTLY = "all_failed_recently"


class Ask:
    """A request as routing sees it. `tokens` of its prompt; `cached[i]` = how many of them candidate i has, by what is
    known, never more than there are; `output` = tokens it is expected to generate; `adapter` empty = the base model."""

    __slots__ = ("adapter", "cached", "output", "tokens")

    def __init__(self, tokens: float, cached: Sequence[float], output: float = 0.0, adapter: str = "") -> None:
        self.tokens, self.cached, self.output, self.adapter = tokens, cached, output, adapter


@dataclass(slots=True)
class Choice:
    """`index` into the candidates; `costs[i]` of each that could have been picked, in seconds for predicted_latency and
    requests for the rest; `look_again` = when the first endpoint ceases to count as just failed (a time; 0 unless all
    did)."""

    index: int
    costs: dict[int, float]
    why: Why
    look_again: float = 0.0


def choose(
    policy: Policy, ask: Ask, candidates: Sequence[Candidate], now: float, draw: int, *, excluded: Collection[str] = ()
) -> Choice | None:
    """None when there is no candidate outside `excluded`. `draw` is any number that differs from call to call."""
    able = [i for i, each in enumerate(candidates) if each.cooling_until <= now]
    if excluded:
        able = [i for i in able if candidates[i].id not in excluded]
    if len(able) == 1:
        return Choice(able[0], {}, Why.ONLY_ONE)
    look_again = 0.0
    if not able:
        able = [i for i, each in enumerate(candidates) if each.id not in excluded]
        if not able:
            return None
        look_again = min(candidates[i].cooling_until for i in able)
    if policy == "predicted_latency":
        choice = _least_cost(ask, candidates, able, now, draw)
    else:
        choice = Choice(*_BASELINES[policy](ask, candidates, able, draw))
    if look_again:
        choice.why, choice.look_again = Why.ALL_FAILED_RECENTLY, look_again
    return choice


_Picked = tuple[int, dict[int, float], Why]


def _least_cost(ask: Ask, candidates: Sequence[Candidate], able: list[int], now: float, draw: int) -> Choice:
    """Every request comes through here: one plain loop for one's own cost, one for the rest, no objects."""
    tokens, cached, output = ask.tokens, ask.cached, ask.output
    both, young, new = 2.0 * output, now - SLOW_START_SECONDS, 0
    least = math.inf
    owns, others = [], []
    for i in able:
        each = candidates[i]
        speed = each.speed.believed
        uncached = tokens - cached[i]
        per_token = speed.per_token
        own = speed.base + per_token * (each.pending + uncached)
        least = min(least, own)
        owns.append(own)
        others.append((each.running + each.beyond) * (per_token * uncached + speed.per_running * both))
        if each.since > young:
            new += 1
    if 0 < new < len(able):
        _ease_in(ask, candidates, able, now, others)
    limit, best = LIMIT * least, math.inf
    costs: dict[int, float] = {}
    for i, own, harm in zip(able, owns, others, strict=True):
        own += SHARE * (harm if harm < limit else limit)  # noqa: PLW2901
        each = candidates[i]
        if each.kv_tokens or each.adapters is not None:
            own += _limits(ask, each, tokens - cached[i] + output)  # noqa: PLW2901
        costs[i] = own
        best = min(best, own)
    best *= NEAR
    equals = [i for i in able if costs[i] <= best]
    if len(equals) == 1:
        return Choice(equals[0], costs, Why.LEAST_COST)
    return Choice(equals[draw % len(equals)], costs, Why.EQUALS_DRAWN)


def _limits(ask: Ask, candidate: Candidate, more: float) -> float:
    """Seconds for a cache that is nearly full, and for an adapter that is not loaded."""
    seconds = 0.0
    if candidate.kv_tokens:
        used = (candidate.context + candidate.pending + more) / candidate.kv_tokens
        if used > FULL:
            seconds = SECONDS_OVER_FULL * (used - FULL)
    if ask.adapter and candidate.adapters is not None and ask.adapter not in candidate.adapters:
        seconds += ADAPTER_SECONDS
    return seconds


def _ease_in(ask: Ask, candidates: Sequence[Candidate], able: list[int], now: float, others: list[float]) -> None:
    """A new endpoint counts as busier than it is, while there are some that are not."""
    young = now - SLOW_START_SECONDS
    old = [candidates[i].running for i in able if candidates[i].since <= young]
    usual = sum(old) / len(old)
    for place, i in enumerate(able):
        each = candidates[i]
        if each.since > young:
            speed, uncached = each.speed.believed, ask.tokens - ask.cached[i]
            busy = usual * (1.0 - (now - each.since) / SLOW_START_SECONDS)
            others[place] += busy * (speed.per_token * uncached + 2.0 * speed.per_running * ask.output)


def terms(ask: Ask, candidate: Candidate, index: int) -> dict[str, float]:
    """What the cost of a candidate is made of, before the limit on others'; for `explain`."""
    speed, uncached = candidate.speed.believed, ask.tokens - ask.cached[index]
    running = candidate.running + candidate.beyond
    return {
        "uncached_tokens": uncached,
        "wait_seconds": speed.per_token * candidate.pending,
        "prefill_seconds": speed.base + speed.per_token * uncached,
        "others_seconds": running * (speed.per_token * uncached + 2.0 * speed.per_running * ask.output),
        "running": running,
    }


# baselines


def _round_robin(ask: Ask, candidates: Sequence[Candidate], able: list[int], draw: int) -> _Picked:
    return able[draw % len(able)], {}, Why.POLICY


def _least_request(ask: Ask, candidates: Sequence[Candidate], able: list[int], draw: int) -> _Picked:
    costs = {i: float(candidates[i].running) for i in able}
    least = min(costs.values())
    equals = [i for i in able if costs[i] == least]
    return equals[draw % len(equals)], costs, Why.POLICY


def _power_of_two(ask: Ask, candidates: Sequence[Candidate], able: list[int], draw: int) -> _Picked:
    """Of two drawn ones the one with fewer requests (Mitzenmacher 2001)."""
    mixed = draw * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF  # a draw may be a counter
    first = (mixed >> 32) % len(able)
    second = (first + 1 + (mixed & 0xFFFF) % (len(able) - 1)) % len(able) if len(able) > 1 else first
    pair = (able[first], able[second])
    costs = {i: float(candidates[i].running) for i in pair}
    return min(pair, key=lambda i: costs[i]), costs, Why.POLICY


def _prefix_affinity(ask: Ask, candidates: Sequence[Candidate], able: list[int], draw: int) -> _Picked:
    """The longest prefix, unless it is short or the load is uneven: then the fewest requests."""
    running = {i: float(candidates[i].running) for i in able}
    most, least = max(running.values()), min(running.values())
    best = max(able, key=lambda i: ask.cached[i])
    balanced = most - least <= UNBALANCED_ABSOLUTE or most <= UNBALANCED_RELATIVE * least
    if balanced and ask.cached[best] > AFFINITY_SHARE * ask.tokens:
        return best, running, Why.POLICY
    return _least_request(ask, candidates, able, draw)


_BASELINES = {
    "round_robin": _round_robin,
    "least_request": _least_request,
    "power_of_two": _power_of_two,
    "prefix_affinity": _prefix_affinity,
}


def cooldown(failures: int, first: float, longest: float) -> float:
    """Seconds for which an endpoint is avoided after `failures` (1 or more) failures in a row."""
    return float(min(longest, first * 2 ** min(failures - 1, 30)))

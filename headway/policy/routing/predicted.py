"""The endpoint at which a request costs everybody the least time, in predicted seconds.

    wait      first + prefill * tokens still to be computed there: until its own prompt's turn
    prefill   prefill * tokens of its prompt that are not cached there
    behind    what its prefill adds to the waits of those who will come there until it is done
    delay     what its prefill and its decoding add to the answers of those running there, up to DELAYED_MOST
    decode    its own answer, one token a step, beside those running there
    kv        the engine will be short of KV blocks: it would make somebody compute his prompt anew
    seat      the engine computes only so many requests at once and they are all taken
    adapter   its adapter must be loaded first

    cost = wait + prefill + behind + OTHERS * delay + ANSWER * decode + kv + seat + adapter

While a prompt waits and is computed, `coming * (wait + prefill / 2)` others come to an endpoint, and each waits
longer by it. Without that a backlog feeds itself: everybody computes anew where it is a little emptier. `coming` is
the mean of all candidates: with each one's own, long prompts all went to those that were seldom asked, and starved.
With adapters nothing is counted for who comes: that would spread them over endpoints where each puts another one out.

A prefix is followed to where it is cached until the wait there is longer than computing it elsewhere, and that
spreads a popular one by itself. Costs within TIE of the least are equal as far as can be known, and `draw` decides:
gateways that see the same do not all pick the same. Two equal new prompts meet at one endpoint when waiting for the
first one's prefix is cheaper, because the index hears of a pick at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from headway.policy.routing.candidate import STUCK, Candidate
from headway.policy.routing.elsewhere import FRESH_SECONDS
from headway.policy.routing.shapes import Ask, Why

__all__ = ["ANSWER", "DELAYED_MOST", "KV_FULL", "KV_SHORT", "OTHERS", "predicted_latency", "seat"]

OTHERS: Final = 0.3
ANSWER: Final = 0.1
DELAYED_MOST: Final = 4.0
TIE: Final = 0.02
"""Chosen by TTFT p95 with `python -m benchmarks.routing --virtual`, on other seeds than the benchmark's. An answer's
slower tokens are worth a tenth of a later first token, and a third of it when they are others'. `delay` counts
DELAYED_MOST of the requests that run there at most; the delay itself must not be capped, or a prompt costs no more
where it is not cached. TIE of 0.1 was plainly worse, and of 0 could not be told from this."""

KV_FULL, KV_SHORT = 0.85, 20.0
"""From this share of the KV cache on, so many times the request's time alone for the whole of it. Not tuned: with and
without it the simulation differs by 1 % at most, but that one never preempts, which is what this is against."""


def predicted_latency(
    ask: Ask, candidates: Sequence[Candidate], pool: Sequence[int], now: float, draw: float
) -> tuple[int, Why, Sequence[float]]:
    """Written out, without calls in the loop: it runs for each candidate of each request. `terms` says the same term
    by term, and a test holds them together."""
    costs = [inf] * len(candidates)
    tokens, matched, output, adapter, session = ask.tokens, ask.matched, ask.output, ask.adapter, ask.session
    least, coming, stuck = inf, ask.coming, STUCK
    if adapter:
        coming, stuck = 0.0, 1.0
    for index in pool:
        candidate = candidates[index]
        speed, elsewhere = candidate.speed, candidate.elsewhere
        running = float(candidate.running)
        each, sequence, context = speed.prefill, speed.sequence, speed.context
        uncached, ahead = tokens - matched[index], candidate.pending_tokens - (now - candidate.prefilling_since) / each
        if ahead < stuck * candidate.pending_tokens:
            ahead = stuck * candidate.pending_tokens
        if candidate.slot == session and tokens - ask.session_tokens < uncached:
            uncached = tokens - ask.session_tokens
        if uncached < 1.0:
            uncached = 1.0
        if (fresh := 1.0 - (now - elsewhere.at) / FRESH_SECONDS) > 0.0:
            running += fresh * elsewhere.requests
            ahead += fresh * elsewhere.waiting * elsewhere.prompt
        first, prefill = speed.first, uncached * each
        delayed = running if running < DELAYED_MOST else DELAYED_MOST
        delay = delayed * (prefill + output * (sequence + context * tokens))
        decode = output * (speed.step + sequence * running + context * candidate.context_tokens)
        wait = first + ahead * each
        behind = prefill * (wait + 0.5 * prefill) * coming
        cost = wait + prefill + behind + OTHERS * delay + ANSWER * decode
        if fresh > 0.0 and (kv := candidate.kv_tokens):
            short = fresh * elsewhere.kv_used + (ahead + uncached + output) / kv - KV_FULL
            if short > 0.0:
                cost += KV_SHORT * short * (first + tokens * each)
        if 0 < candidate.seats <= running:
            cost += seat(candidate, running, output)
        if adapter and candidate.adapters is not None and adapter not in candidate.adapters:
            cost += candidate.adapter_load
        costs[index] = cost
        if cost < least:
            least = cost
    bound = least * (1.0 + TIE)
    equal = [index for index in pool if costs[index] <= bound]
    if len(equal) == 1:
        return equal[0], Why.LEAST_COST, costs
    return equal[int(draw * len(equal))], Why.TIE_DRAWN, costs


def seat(candidate: Candidate, running: float, output: float) -> float:
    """Until as many answers have ended as stand before it, each seat freeing after a whole one."""
    speed, seats = candidate.speed, candidate.seats
    return (running + 1 - seats) / seats * output * (speed.step + speed.sequence * seats)

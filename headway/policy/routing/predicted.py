"""The endpoint at which a request costs everybody the least time, in predicted seconds.

    wait      first + prefill * tokens pending there: until its own prompt's turn
    prefill   prefill * tokens of its prompt that are not cached there
    delay     what its prefill and its decoding add to the answers of those running there, up to DELAYED_MOST
    decode    its own answer, one token a step, beside those running there
    kv        the engine will be short of KV blocks: it would make somebody compute his prompt anew
    seat      the engine computes only so many requests at once and they are all taken
    adapter   its adapter must be loaded first

    cost = wait + prefill + OTHERS * delay + ANSWER * decode + kv + seat + adapter

A prefix is followed to where it is cached until the wait there is longer than computing it elsewhere, and that
spreads a popular one by itself. Costs within TIE of the least are equal as far as can be known, and `draw` decides:
gateways that see the same do not all pick the same. Two equal new prompts meet at one endpoint when waiting for the
first one's prefix is cheaper, because the index hears of a pick at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from headway.policy.routing.candidate import Candidate
from headway.policy.routing.elsewhere import FRESH_SECONDS
from headway.policy.routing.shapes import Ask, Why

__all__ = ["ANSWER", "DELAYED_MOST", "KV_FULL", "KV_SHORT", "OTHERS", "predicted_latency", "seat"]

OTHERS, ANSWER, DELAYED_MOST, TIE = 0.3, 0.1, 4.0, 0.02
"""Chosen by TTFT p95 in a simulation of 8 engines with learned speeds. `delay` counts DELAYED_MOST of the requests that
run there at most: uncapped, it drives requests from busy endpoints so hard that p95 is worse by a fifth with shared
prompts and by 8 % where nothing is shared. What must not be capped is the delay itself: then, on a fleet with a
backlog, a prompt costs no more where it is not cached, all recompute all, and the backlog never ends (p95 3 to 12 times
as long, from a cold start with 5,000 to 9,000 shared tokens). Other forms of this limit could not be told from it. The
other constants were chosen with an earlier form, on seeds of which some took part in the choice; on 16 that did not,
TIE of 0.1 was plainly worse (+54 % with shared prompts), and OTHERS of 0.2, ANSWER of 0 or 0.3 and TIE of 0 could not
be told from these."""

BEHIND = 1.0
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
    least = inf
    for index in pool:
        candidate = candidates[index]
        speed, elsewhere = candidate.speed, candidate.elsewhere
        running = float(candidate.running)
        each, sequence, context = speed.prefill, speed.sequence, speed.context
        uncached, ahead = tokens - matched[index], float(candidate.pending_tokens)
        if ahead > 0.0:
            ahead -= (now - candidate.prefilling_since) / each
            if ahead < 0.0:
                ahead = 0.0
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
        wait, every = first + ahead * each, candidate.every
        if now - candidate.asked_at > every:
            every = now - candidate.asked_at
        behind = prefill * (wait + 0.5 * prefill) / every
        cost = wait + prefill + BEHIND * behind + OTHERS * delay + ANSWER * decode
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

"""What a cost is made of, for `headway explain`: the same arithmetic as `predicted_latency`, term by term."""

from __future__ import annotations

import msgspec

from headway.policy.routing.candidate import Candidate
from headway.policy.routing.elsewhere import FRESH_SECONDS
from headway.policy.routing.predicted import ANSWER, DELAYED_MOST, KV_FULL, KV_SHORT, OTHERS, seat
from headway.policy.routing.shapes import Ask

__all__ = ["Terms", "terms"]


class Terms(msgspec.Struct, frozen=True):
    """Seconds, as they enter the sum: `delay` and `decode` weighted. `cost` is their sum.
    `uncached` is in tokens; `running` counts requests, with those that others are believed to have there."""

    uncached: float
    running: float
    wait: float
    prefill: float
    behind: float
    delay: float
    decode: float
    kv: float
    seat: float
    adapter: float
    cost: float


def terms(ask: Ask, candidate: Candidate, matched: float, now: float) -> Terms:
    """Of one candidate, of whom `matched` tokens of the prompt are believed to be cached. As of before the pick: to
    be called before the request is counted there."""
    speed, elsewhere = candidate.speed, candidate.elsewhere
    if candidate.slot == ask.session:
        matched = max(matched, ask.session_tokens)
    uncached = max(1.0, ask.tokens - matched)
    fresh = max(0.0, 1.0 - (now - elsewhere.at) / FRESH_SECONDS)
    running = candidate.running + fresh * elsewhere.requests
    ahead = candidate.ahead(now, ask.adapter) + fresh * elsewhere.waiting * elsewhere.prompt
    alone = speed.first + ask.tokens * speed.prefill
    prefill = uncached * speed.prefill
    wait = speed.first + ahead * speed.prefill
    behind = 0.0 if ask.adapter else prefill * (wait + prefill / 2) * ask.coming
    delay = min(running, DELAYED_MOST) * (prefill + ask.output * (speed.sequence + speed.context * ask.tokens))
    decode = ask.output * (speed.step + speed.sequence * running + speed.context * candidate.context_tokens)
    short = 0.0
    if fresh and candidate.kv_tokens:
        short = fresh * elsewhere.kv_used + (ahead + uncached + ask.output) / candidate.kv_tokens - KV_FULL
    absent = ask.adapter and candidate.adapters is not None and ask.adapter not in candidate.adapters
    parts = {
        "wait": wait,
        "prefill": prefill,
        "behind": behind,
        "delay": OTHERS * delay,
        "decode": ANSWER * decode,
        "kv": KV_SHORT * max(0.0, short) * alone,
        "seat": seat(candidate, running, ask.output) if 0 < candidate.seats <= running else 0.0,
        "adapter": candidate.adapter_load if absent else 0.0,
    }
    return Terms(uncached=uncached, running=running, cost=sum(parts.values()), **parts)

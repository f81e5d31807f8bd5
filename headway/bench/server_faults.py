"""When the server was at fault, so that the figures stand and what they say is bad.

Overloaded: what waited grew through a window while requests took longer and longer (`growth` has the test), or more
than a hundredth was refused or not answered in time. Failed: more than a hundredth failed in ways that load does not
explain, or in a closed loop, which asks for no more than it is given and so overloads nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

import numpy as np

from headway.bench.evidence import Evidence, Seen, short
from headway.bench.intervals import of_share
from headway.bench.measures import failure
from headway.bench.schema import Reason

__all__ = ["failed", "overloaded"]

TOLERATED = 0.01
"""The share that may fail; the lower end of its interval must be above."""
REFUSALS = frozenset({"429", "503", "504", "529", "timeout"})
"""How a server says that it is asked for too much: too many requests, no capacity, a gateway's or our own patience."""


def overloaded(of: Evidence) -> Iterator[Reason]:
    for each in of.seen():
        growth, rate = each.window.growth, each.figures.rate
        if growth is not None and growth.growing and growth.slower:
            numbers = {"answered": rate.answered, "realised": rate.realised, "growth": growth.rate}
            text = f"the server answered {short(rate.answered)} requests/s of {short(rate.realised)}{each.of_stage}"
            grew = f"what waited grew by {short(growth.rate)}/s, to {growth.at_end} at the end"
            yield Reason("waiting_grew", f"{text}; {grew}", numbers | {"waiting": growth.at_end})
        if not each.closed:
            how = "were refused or not answered in time"
            yield from _share(of, each, "refused", how, REFUSALS)


def failed(of: Evidence) -> Iterator[Reason]:
    for each in of.seen():
        others = {word for word in each.figures.requests.failures if each.closed or word not in REFUSALS}
        yield from _share(of, each, "failed", "failed", others)


def _share(of: Evidence, each: Seen, code: str, how: str, those: AbstractSet[str]) -> Iterator[Reason]:
    """Of a stage's requests, those that failed in one of `those` ways; unsent ones are the generator's own."""
    asked = np.flatnonzero(each.due & ~of.of.cancelled).tolist()
    words = ["" if not of.of.failed[place] or _cut(of, place) else failure(of.of.records[place]) for place in asked]
    hit = np.array([word in those and word != "unsent" for word in words], np.bool_)
    low = of_share(hit).low
    if low is None or low <= TOLERATED:
        return
    rate, share = each.figures.rate, float(hit.mean())
    load = f"at {each.stage.concurrency} at once" if each.closed else f"of {short(rate.realised)}"
    counts = Counter(word for word, counts in zip(words, hit.tolist(), strict=True) if counts)
    told = ", ".join(f"{word}: {count}" for word, count in counts.most_common())
    text = f"the server answered {short(rate.answered)} requests/s {load}{each.of_stage}; {share:.1%} {how} ({told})"
    yield Reason(code, text, {"answered": rate.answered, "failed": int(hit.sum()), "share": share})


def _cut(of: Evidence, place: int) -> bool:
    """Whether an answer was under way when the drain's deadline came: that is a long answer, and no refusal."""
    record = of.of.records[place]
    return not of.facts.drained and record.error == "timeout" and record.first is not None

"""When the generator was at fault: then its figures tell nothing of the server, whatever that did.

The bounds are those that people who check load generators use (10 ms of send lag, 80 % of a core, 5 ms of event loop).
A server that stalls moves none of them, since requests are taken up by the clock and never wait for answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from headway.bench.evidence import Evidence, Seen, millis, short
from headway.bench.figures import overlap
from headway.bench.percentile import enough
from headway.bench.schema import Reason

__all__ = ["CODES", "generator_faults"]

CODES = ("broken", "send_lag", "unsent", "generator_cpu", "loop_delay", "arrivals", "idle_callers")
"""Of the reasons below."""

LAG = 0.010
LAG_OF_TTFT = 0.05
"""Seconds of send lag at the 99th percentile, and as a part of the TTFT limit: the larger one bounds it."""
CPU = 0.8
"""Of one core, the mean over the load."""
CPU_SECONDS = 5.0
"""The CPU of a shorter load is mostly that of its start."""
LOOP_DELAY = 0.005
"""Seconds, at the 99th percentile."""
ARRIVALS_Z = 4.0
"""Standard deviations of the number of arrivals: by chance 1 run in 16,000 is outside."""
BUSY = 0.8
"""Of a closed loop's callers that must have a request in flight, on average."""
_REMEDY = "use more --workers or another machine"


def generator_faults(of: Evidence) -> Iterator[Reason]:
    for text in of.facts.faults:
        yield Reason("broken", f"the generator broke: {text}")
    yield from _late(of)
    yield from _unsent(of)
    yield from _starved(of)
    yield from _arrivals(of)
    yield from _idle(of)


def _late(of: Evidence) -> Iterator[Reason]:
    lag = of.generator.send_lag
    if of.single or not lag.count:
        return
    percent = next((each for each in (99, 95, 90, 75) if enough(lag.count, each)), 50)
    seen = getattr(lag, f"p{percent}")
    limits = [slo.ttft for slo in of.slos if slo.ttft is not None]
    bound = max(LAG, LAG_OF_TTFT * min(limits)) if limits else LAG
    if seen is not None and seen > bound:
        text = f"requests were sent late, by {millis(seen)} at the {percent}th percentile (bound {millis(bound)})"
        yield Reason("send_lag", f"{text}: {_REMEDY}", {"seen": seen, "bound": bound, "percentile": percent})


def _unsent(of: Evidence) -> Iterator[Reason]:
    unsent, due = of.whole.requests.unsent, of.whole.requests.due
    if unsent:
        text = f"{unsent} of {due} requests were never sent, for the generator could not: {_REMEDY}"
        yield Reason("unsent", text, {"unsent": unsent, "due": due})


def _starved(of: Evidence) -> Iterator[Reason]:
    """Of CPU, by its own need or by others'."""
    share, delay = of.generator.cpu_share, of.generator.loop_delay_p99
    if share > CPU and of.seconds >= CPU_SECONDS:
        text = f"the generator used {share:.0%} of a core (bound {CPU:.0%}): {_REMEDY}"
        yield Reason("generator_cpu", text, {"share": share, "bound": CPU})
    if delay is not None and delay > LOOP_DELAY and not of.single:
        text = f"the generator's event loop was {millis(delay)} late at the 99th percentile"
        numbers = {"p99": delay, "bound": LOOP_DELAY}
        text += f" (bound {millis(LOOP_DELAY)}), and so may every latency be: {_REMEDY}"
        yield Reason("loop_delay", text, numbers)


def _arrivals(of: Evidence) -> Iterator[Reason]:
    """Whether as many were due as the law of arrivals allows."""
    places = np.array([each.stage for each in of.of.records], np.int64)
    for place, each in enumerate(of.seen()):
        asked, cv, seconds = each.stage.rate, each.stage.cv, each.window.end - each.window.begun
        if asked is None or cv is None or seconds <= 0:
            continue
        count = int((places == place).sum())
        half = (ARRIVALS_Z * cv * math.sqrt(asked * seconds) + 2) / seconds
        if abs(count / seconds - asked) > half:
            low, high = max(0.0, asked - half), asked + half
            numbers = {"asked": asked, "realised": count / seconds, "low": low, "high": high}
            text = f"{short(asked)} requests/s were asked for{each.of_stage} and {short(count / seconds)}/s were due"
            yield Reason("arrivals", f"{text}, where the law of arrivals allows {short(low)} to {short(high)}", numbers)


def _idle(of: Evidence) -> Iterator[Reason]:
    """Whether the callers of a closed loop all had a request at the server; those within a session may be thinking."""
    for each in of.seen():
        wanted, length = each.stage.concurrency, each.window.end - each.window.start
        if wanted is None or int(each.due.sum()) < 2 * wanted or length <= 0 or _think(of, each):
            continue
        sent = ~np.isnan(of.of.sent)
        busy = float(overlap(of.of.sent[sent], of.of.ended[sent], each.window).sum()) / length
        if busy < BUSY * wanted:
            text = f"only {busy:.1f} of {wanted} callers had a request in flight on average{each.of_stage}"
            yield Reason("idle_callers", f"{text}: {_REMEDY}", {"asked": wanted, "seen": busy})


def _think(of: Evidence, each: Seen) -> bool:
    return any(of.of.records[place].session >= 0 for place in np.flatnonzero(each.due).tolist())

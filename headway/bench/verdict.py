"""Whether a run may be believed, and whether the server kept up.

    INVALID      the generator was at fault: whatever the server did, these figures do not tell
    OVERLOADED   the server could not keep up: the figures stand, with the waiting in them
    FAILED       answers failed in ways that load does not explain: the figures stand
    INVALID      the window only filled, there were too few requests, or the user stopped it
    VALID        none of these

in this order: the first that holds is the word, and all that hold are told, the word's own first. A false verdict is
worth nothing either way, so each rule is a test with a bound on its error; tests/bench/test_verdict_rates.py measures
how often queues of known load are called what. Of a single request nothing is asked but its answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from headway.bench.evidence import Evidence, short
from headway.bench.generator_faults import CPU, generator_faults
from headway.bench.percentile import enough
from headway.bench.schema import Finding, Reason, Verdict, Word
from headway.bench.server_faults import TOLERATED, failed, overloaded

__all__ = ["Verdict", "judge"]

UNSURE = 0.1
"""Of the rate: where growth of so much cannot be excluded, it is said."""
LONG_ENOUGH = 4
"""Times that a run should last as long as its answers take, when it was found to be too short."""
_EXIT: dict[Word, int] = {"VALID": 0, "OVERLOADED": 1, "FAILED": 1, "INVALID": 4}


def judge(of: Evidence, server: Sequence[Finding] = ()) -> Verdict:
    rules: list[tuple[Word, list[Reason]]] = [
        ("INVALID", list(generator_faults(of))),
        ("OVERLOADED", list(overloaded(of))),
        ("FAILED", list(failed(of))),
        ("INVALID", [*_interrupted(of), *_filling(of), *_too_few(of)]),
    ]
    word: Word = next((word for word, reasons in rules if reasons), "VALID")
    first = [reason for its, reasons in rules if its == word for reason in reasons]
    others = [reason for its, reasons in rules if its != word for reason in reasons]
    cautions = [*_cautions(of), *(each.text for each in server if each.agrees is False)]
    return Verdict(word, _EXIT[word], first + others, cautions)


def _interrupted(of: Evidence) -> Iterator[Reason]:
    if of.facts.interrupted:
        at = of.seconds if of.facts.stopped is None else of.facts.stopped
        yield Reason("interrupted", f"you stopped it after {short(at)} s", {"at": at})


def _filling(of: Evidence) -> Iterator[Reason]:
    """What waited grew, yet later requests took no longer: answers take longer than the warm-up that was left out."""
    for each in of.seen():
        growth, takes = each.window.growth, each.figures.latency.e2e_sched.p90
        if each.stage.ramp or growth is None or not growth.growing or growth.slower or takes is None:
            continue
        if takes > each.window.start - each.window.begun:
            text = f"the run still filled when it ended{each.of_stage}: answers take {short(takes)} s (90th percentile)"
            numbers = {"e2e_p90": takes, "growth": growth.rate, "seconds": each.window.end - each.window.begun}
            yield Reason("not_steady", f"{text}; run for {LONG_ENOUGH * takes:.0f} s or more", numbers)


def _too_few(of: Evidence) -> Iterator[Reason]:
    asked = of.whole.requests.due - of.whole.requests.cancelled
    if of.single:
        return
    if not of.whole.requests.due:
        yield Reason("nothing", "no request was due in the window that counts: run for longer, or ask for more")
    elif not enough(asked, of.percentile):
        needed = math.ceil(100 / (100 - of.percentile))
        text = f"{asked} requests are too few for a {of.percentile}th percentile: {needed} are needed"
        yield Reason("too_few", text, {"requests": asked, "needed": needed})


def _cautions(of: Evidence) -> Iterator[str]:
    requests = of.whole.requests
    if of.single:
        yield "one request: every figure is that request's own"
    if not of.facts.generators:
        yield "the generator told nothing of its CPU and its event loop"
    elif of.generator.cpu_peak > CPU:
        yield f"in its busiest second the generator used {of.generator.cpu_peak:.0%} of a core"
    if not of.facts.drained:
        yield "some requests had not ended when the drain's deadline came; they count as failed"
    if of.whole.tokens.without_usage:
        yield f"{of.whole.tokens.without_usage} answers came without usage: they have no TPOT and no token counts"
    if 0 < requests.failed <= TOLERATED * requests.due:
        yield f"{requests.failed} of {requests.due} requests failed"
    yield from _unsure(of)


def _unsure(of: Evidence) -> Iterator[str]:
    for each in of.seen():
        growth = each.window.growth
        if each.stage.ramp or growth is None or growth.growing or growth.interval.high is None:
            continue
        if growth.interval.high > UNSURE * each.figures.rate.realised:
            yield (
                f"the run is too short to be sure that the server keeps up{each.of_stage}:"
                f" what waits may grow by as much as {short(growth.interval.high)}/s"
            )

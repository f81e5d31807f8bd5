"""Each measure of a request, and its formula, which goes into the JSON word for word.

`due` is when a request should have been sent and `sent` when it was: what a server makes its callers wait shows only
from the first. `first` is the first piece of content (an empty first chunk is none), `ended` the end of the answer.
Of an answer that was not streamed, or had no content, the first token is there when it has ended: its TTFT is its E2E.
A failed request has no latency, and is counted as longer than any: infinity here, `beyond` in a Distribution.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from headway.bench.arrays import Bools, Floats
from headway.bench.gaps import Gaps
from headway.bench.record import Record
from headway.bench.schema import Formula

__all__ = ["FORMULAS", "Measured", "failure", "measured"]

_NO_FAILURE = ("cancelled", "interrupted")
_BY_SERVER = ("abort", "error")
"""Finish reasons of vLLM and SGLang for an answer that the server itself broke off."""
_ANSWERED = "answered requests; a failed one counts as longer than any"
_STREAMED = "answered streams of two or more output tokens, by usage; no embeddings"
_COUNTED = "all but cancelled; a failed one is a miss"

FORMULAS = {
    each.name: each
    for each in (
        Formula("ttft_sched", "s", "first - due; not streamed or no content: ended - due", _ANSWERED),
        Formula("ttft_send", "s", "first - sent; not streamed or no content: ended - sent", _ANSWERED),
        Formula("tpot", "s", "(e2e - ttft) / (output_tokens - 1) = (ended - first) / (output_tokens - 1)", _STREAMED),
        Formula(
            "itl",
            "s",
            "a chunk of k tokens that came after gap g is k gaps of g / k; the first chunk's tokens end no gap",
            "every token of answered streams, pooled; `tokens.sized` says how k is known",
        ),
        Formula("ntpot", "s", "(ended - due) / output_tokens", "answered requests with output tokens in their usage"),
        Formula("e2e_sched", "s", "ended - due", _ANSWERED),
        Formula("e2e_send", "s", "ended - sent", _ANSWERED),
        Formula("connect", "s", "sent - started", "requests that were sent"),
        Formula("send_lag", "s", "started - due", "requests that the generator took up"),
        Formula("realised", "1/s", "requests due in the window / its seconds", "all requests"),
        Formula(
            "answered",
            "1/s",
            "answers, and the workload's own cancellations, that ended in the window / its seconds",
            "all requests, whenever they were due",
        ),
        Formula("goodput", "1/s", "requests due in the window and inside every limit / its seconds", _COUNTED),
        Formula("inside", "share", "requests inside every limit that applies / requests due in the window", _COUNTED),
        Formula("inside.ttft", "share", "ttft_sched <= limit", _COUNTED),
        Formula("inside.itl", "share", "at most 5 % of its gaps between tokens > limit", "streams among them"),
        Formula("inside.tpot", "share", "tpot <= limit", "those of them that have a tpot, and the failed"),
        Formula("inside.e2e", "share", "e2e_sched <= limit", _COUNTED),
        Formula(
            "input_rate",
            "tokens/s",
            "prompt_tokens of the requests whose first token came in the window / its seconds",
            "answered requests, whenever they were due",
        ),
        Formula(
            "output_rate",
            "tokens/s",
            "output_tokens * (part of first..ended that lies in the window) / its seconds",
            "answered requests, whenever they were due",
        ),
        Formula("cached_share", "share", "cached_tokens / prompt_tokens, sums", "answers that told of cached tokens"),
        Formula("in_flight", "requests", "seconds from due to ended in the window / its seconds", "all requests"),
    )
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One entry a request, in the order of the records. nan: it has none; inf: it failed."""

    records: Sequence[Record]
    due: Floats
    sent: Floats
    """nan: it was not."""
    ended: Floats
    """inf: it never did; a request that was not sent ended when it was due."""
    answered: Bools
    cancelled: Bools
    failed: Bools
    ttft_sched: Floats
    ttft_send: Floats
    tpot: Floats
    ntpot: Floats
    e2e_sched: Floats
    e2e_send: Floats
    connect: Floats
    send_lag: Floats
    first: Floats
    """When the first token came; nan unless answered."""
    input_tokens: Floats
    """nan: not answered, or no usage; so are the next two."""
    output_tokens: Floats
    cached_tokens: Floats
    gaps: Gaps

    def __len__(self) -> int:
        return len(self.records)

    def having(self, group: str, name: str) -> Bools:
        """Those whose field `group` (model, tenant, adapter, operation) is `name`."""
        return np.fromiter((getattr(each, group) == name for each in self.records), np.bool_, len(self.records))


def failure(record: Record) -> str:
    """What happened to a failed request: an HTTP status, the record's short word, or how the server broke it off."""
    if not record.error and record.finish in _BY_SERVER:
        return record.finish
    if record.error in ("", "http"):
        return str(record.status) if record.status else "closed"
    return record.error


def measured(records: Sequence[Record]) -> Measured:
    due = _column(records, "due")
    started, sent, ended = _column(records, "started"), _column(records, "sent"), _column(records, "ended")
    cancelled = _flags(each.error in _NO_FAILURE for each in records)
    whole = _flags(not each.error and each.finish not in _BY_SERVER and 200 <= each.status < 300 for each in records)
    answered = whole & ~np.isnan(ended)
    failed = ~answered & ~cancelled
    streamed = _flags(each.stream for each in records)
    first = np.where(streamed, _column(records, "first"), np.nan)
    first = np.where(answered, np.where(np.isnan(first), ended, first), np.nan)
    output = _told(records, "output_tokens", answered)
    spoken = answered & _flags(each.operation != "embedding" for each in records)
    steps = np.where(spoken & streamed & (output >= 2), output - 1, np.nan)
    return Measured(
        records=records,
        due=due,
        sent=sent,
        ended=np.where(np.isnan(ended), np.where(np.isnan(sent) & np.isnan(started), due, np.inf), ended),
        answered=answered,
        cancelled=cancelled,
        failed=failed,
        ttft_sched=_latency(first - due, answered, failed),
        ttft_send=_latency(first - sent, answered, failed),
        tpot=(ended - first) / steps,
        ntpot=(ended - due) / np.where(spoken & (output >= 1), output, np.nan),
        e2e_sched=_latency(ended - due, answered, failed),
        e2e_send=_latency(ended - sent, answered, failed),
        connect=sent - np.where(np.isnan(started), sent, started),
        send_lag=np.where(np.isnan(started), sent, started) - due,
        first=first,
        input_tokens=_told(records, "prompt_tokens", answered),
        output_tokens=output,
        cached_tokens=_told(records, "cached_tokens", answered),
        gaps=Gaps.of(records, (spoken & streamed).tolist()),
    )


def _latency(seconds: Floats, answered: Bools, failed: Bools) -> Floats:
    return np.where(failed, np.inf, np.where(answered, seconds, np.nan))


def _column(records: Sequence[Record], name: str) -> Floats:
    """A field as an array; None is nan."""
    return np.array([getattr(each, name) for each in records], np.float64)


def _told(records: Sequence[Record], name: str, answered: Bools) -> Floats:
    return np.where(answered, _column(records, name), np.nan)


def _flags(values: Iterable[bool]) -> Bools:
    return np.array(list(values), np.bool_)

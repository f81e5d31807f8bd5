"""The server's own counters beside what the client counted: two witnesses of one run.

While requests run, the server's running and waiting requests should be those that we have in flight; over the run, its
counters of tokens should grow by the usage that its answers told. Where they differ somebody else uses the server, or
one of the two miscounts, and the figures deserve a second look. Every comparison names its bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headway.bench.arrays import Floats
from headway.bench.facts import RunFacts, ServerSample
from headway.bench.figures import share_within
from headway.bench.growth import waiting
from headway.bench.measures import Measured
from headway.bench.schema import Finding

__all__ = ["findings"]

IN_FLIGHT = 0.1
"""Of our own mean, and at least one request: moments of a scrape and of a record differ by a network's delay."""
TOKENS = 0.02
"""Of our own count, besides the tokens of requests whose usage nobody told."""
SHARE = 0.05
"""Of the prefix cache's hits, in absolute terms: engines count blocks, usage tells tokens."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one kind of server calls its counters; "" = it has none."""

    name: str
    in_flight: tuple[str, ...]
    prompt: str = ""
    output: str = ""
    queries: str = ""
    hits: str = ""


DIALECTS = (
    Dialect(
        "vLLM",
        ("vllm:num_requests_running", "vllm:num_requests_waiting"),
        "vllm:prompt_tokens_total",
        "vllm:generation_tokens_total",
        "vllm:prefix_cache_queries_total",
        "vllm:prefix_cache_hits_total",
    ),
    Dialect(
        "SGLang",
        ("sglang:num_running_reqs", "sglang:num_queue_reqs"),
        "sglang:prompt_tokens_total",
        "sglang:generation_tokens_total",
        "sglang:prompt_tokens_total",
        "sglang:cached_tokens_total",
    ),
    Dialect(
        "llama.cpp",
        ("llamacpp:requests_processing", "llamacpp:requests_deferred"),
        "llamacpp:prompt_tokens_total",
        "llamacpp:tokens_predicted_total",
    ),
    Dialect("Text Generation Inference", ("tgi_batch_current_size", "tgi_queue_size")),
    Dialect("Headway", ("headway_gateway_requests_running",)),
)


def findings(of: Measured, facts: RunFacts) -> list[Finding]:
    """Empty when no counters were read."""
    found = [*facts.checked]
    if not facts.server:
        return found
    names = {name for sample in facts.server for name in sample.values}
    dialect = next((each for each in DIALECTS if names & set(each.in_flight)), None)
    if dialect is None:
        return [*found, Finding("unknown", "the server's metrics have no name that is known here", None)]
    return [*found, *_in_flight(of, facts.server, dialect), *_tokens(of, facts.server, dialect)]


def _in_flight(of: Measured, samples: Sequence[ServerSample], dialect: Dialect) -> Iterator[Finding]:
    told = [each for each in samples if any(name in each.values for name in dialect.in_flight)]
    sent = ~np.isnan(of.sent)
    at = np.array([each.at for each in told])
    ours = waiting(np.sort(of.sent[sent]), np.sort(of.ended[sent]), at)
    theirs = np.array([sum(each.values.get(name, 0.0) for name in dialect.in_flight) for each in told])
    if not ours.any():
        return
    seen, counted = float(theirs.mean()), float(ours.mean())
    bound = max(1.0, IN_FLIGHT * counted)
    text = (
        f"over {len(told)} looks {dialect.name} had {seen:.1f} requests running or waiting on average,"
        f" and we had {counted:.1f} in flight (bound {bound:.1f})"
    )
    agrees = abs(seen - counted) <= bound
    yield Finding("in_flight", text + ("" if agrees else _doubt(seen > counted)), agrees, seen, counted)


def _doubt(more: bool) -> str:
    return ": does somebody else use it?" if more else ": are these the metrics of only a part of it?"


def _tokens(of: Measured, samples: Sequence[ServerSample], dialect: Dialect) -> Iterator[Finding]:
    first, last = samples[0], samples[-1]
    unknown = ~np.isnan(of.sent) & ~of.answered
    planned = np.array([each.planned_prompt for each in of.records], np.float64)
    wanted = np.array([each.wanted_tokens for each in of.records], np.float64)
    came = (of.first > first.at) & (of.first <= last.at)
    rows = (
        ("prompt_tokens", dialect.prompt, of.input_tokens[came], of.input_tokens, planned),
        ("output_tokens", dialect.output, _spread(of, first.at, last.at), of.output_tokens, wanted),
    )
    for code, name, ours, each, expected in rows:
        grown = _grown(first, last, name)
        if grown is None:
            continue
        counted = float(np.nansum(ours))
        silent = expected[(unknown | (of.answered & np.isnan(each))) & ~np.isnan(of.sent)]
        yield _compared(code, dialect, grown, counted, float(silent.sum()) + _largest(each))
    yield from _cached(of, first, last, dialect)


def _spread(of: Measured, start: float, end: float) -> list[float]:
    """Output tokens between two moments, each request's spread evenly over the time that they came in."""
    known = ~np.isnan(of.output_tokens)
    shares = share_within(of.first[known], of.ended[known], start, end)
    return list(of.output_tokens[known] * shares)


def _largest(row: Floats) -> float:
    """A request on the edge of the time between two looks may be in one count and not in the other."""
    return float(np.nanmax(row)) if np.isfinite(row).any() else 0.0


def _grown(first: ServerSample, last: ServerSample, name: str) -> float | None:
    if name not in first.values or name not in last.values:
        return None
    return last.values[name] - first.values[name]


def _compared(code: str, dialect: Dialect, grown: float, counted: float, loose: float) -> Finding:
    what = "prompt tokens" if code == "prompt_tokens" else "output tokens"
    if grown < 0:
        return Finding(code, f"{dialect.name}'s count of {what} went back: it was started anew", None, None, counted)
    bound = TOKENS * counted + loose
    agrees = abs(grown - counted) <= bound
    text = f"{dialect.name} counted {grown:,.0f} {what}, its answers' usage {counted:,.0f} (bound {bound:,.0f})"
    return Finding(code, text + ("" if agrees else _doubt(grown > counted)), agrees, grown, counted)


def _cached(of: Measured, first: ServerSample, last: ServerSample, dialect: Dialect) -> Iterator[Finding]:
    queries, hits = _grown(first, last, dialect.queries), _grown(first, last, dialect.hits)
    if queries is None or hits is None or queries <= 0 or hits < 0:
        return
    told = ~np.isnan(of.cached_tokens) & ~np.isnan(of.input_tokens)
    theirs, behind = hits / queries, float(of.input_tokens[told].sum())
    if not behind:
        text = f"{dialect.name} found {theirs:.1%} of prompts in its prefix cache; its answers told nothing of it"
        yield Finding("prefix_cache", text, None, theirs, None)
        return
    ours = float(of.cached_tokens[told].sum()) / behind
    text = f"{dialect.name} found {theirs:.1%} of prompts in its prefix cache, its answers' usage {ours:.1%}"
    yield Finding("prefix_cache", f"{text} (bound {SHARE:.0%})", abs(theirs - ours) <= SHARE, theirs, ours)

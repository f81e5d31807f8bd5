"""The part of `/metrics` that is of the engines behind the gateway, the lines before them, and the tenants' limits.

A model of the table always has its lines, at 0 replicas too: a series that vanishes reads as nothing to scalers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from headway.engines.signals import Signals
from headway.gateway.counts import Counts
from headway.gateway.hub.facts import Facts
from headway.gateway.hub.families import LABELS_MAX, bounded, counter, gauge
from headway.policy.budget import AXIS_OF, Axis, Limit
from headway.store.treasury import Standing

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["fleet"]

_MICROS = 1e6


def fleet(counts: Counts, facts: Facts) -> Iterator[Metric]:
    yield from _models(facts)
    yield from _endpoints(counts, facts)
    yield from _limits(facts.standing)
    yield gauge(
        "ledger_behind_seconds",
        "Since the ledger was last reached: what was used since then is not settled.",
        (),
        [([], facts.ledger_behind)],
    )
    yield gauge(
        "cluster_unheard_seconds",
        "Since the API server of the cluster was last heard: the table may be older than what is.",
        (),
        [([], facts.unheard)],
    )
    yield gauge(
        "line_length",
        "Requests in the fair line for a place.",
        ("model",),
        bounded({model.name: facts.lines.get(model.name, 0) for model in facts.models}),
    )
    for name, help_text, found in (
        ("requests_logged", "Requests written to the request log.", facts.logged),
        ("requests_unlogged", "Requests that were to be logged and could not be.", facts.unlogged),
    ):
        yield counter(name, help_text, (), [([], found)])
    yield counter("spans", "Spans of traces, by what became of them.", ("result",), bounded(facts.spans))


def _models(facts: Facts) -> Iterator[Metric]:
    yield gauge(
        "model_endpoints",
        "Endpoints of the model in the routing table.",
        ("model",),
        bounded({model.name: len(model.endpoints) for model in facts.models}),
    )
    rows = [
        ([model.name, each.replica, each.revision], 1.0)
        for model in facts.models
        for each in model.endpoints
    ]  # fmt: skip
    labels = ("model", "replica", "revision")
    yield gauge("endpoint_info", "Which endpoints serve which model.", labels, rows[:LABELS_MAX])


def _endpoints(counts: Counts, facts: Facts) -> Iterator[Metric]:
    """By replica; what an engine does not say is not there."""
    said = {
        each.replica: facts.engines[each.id]
        for model in facts.models
        for each in model.endpoints
        if each.id in facts.engines
    }
    healthy = {replica: float(not avoided) for replica, avoided in counts.endpoint_avoided.items()}
    yield gauge("endpoint_healthy", "0 while a worker passes over it.", ("replica",), bounded(healthy))
    for name, help_text, of in (
        ("endpoint_engine_requests_running", "Running there, as the engine says.", "running"),
        ("endpoint_engine_requests_waiting", "Waiting there, as the engine says.", "waiting"),
        ("endpoint_kv_used_ratio", "Of its KV cache, in use, as the engine says.", "kv_used"),
    ):
        yield gauge(name, help_text, ("replica",), bounded(_told(said, of)))
    for name, help_text, of in (
        ("endpoint_prompt_tokens", "Prompt tokens, as the engine counts.", "prompt_tokens"),
        ("endpoint_cached_prompt_tokens", "Of these, found in its cache.", "cached_prompt_tokens"),
    ):
        yield counter(name, help_text, ("replica",), bounded(_told(said, of)))


def _told(said: Mapping[str, Signals], of: str) -> dict[str, float]:
    found = {replica: getattr(signals, of) for replica, signals in said.items()}
    return {replica: float(value) for replica, value in found.items() if value is not None}


def _limits(standing: tuple[Standing, ...]) -> Iterator[Metric]:
    labels = ("tenant", "limit")
    sizes = [([each.tenant, _name(each.limit)], _amount(each.limit, each.size)) for each in standing]
    left = [([each.tenant, _name(each.limit)], _amount(each.limit, each.left)) for each in standing]
    yield gauge("limit", "What a tenant's limit allows.", labels, sizes)
    yield gauge("limit_left", "What of it is neither used nor held by running requests.", labels, left)


def _name(limit: Limit) -> str:
    return limit.name.lower().replace("micros", "money")


def _amount(limit: Limit, amount: int) -> float:
    return amount / _MICROS if AXIS_OF[limit] is Axis.MICROS else float(amount)

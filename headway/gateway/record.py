"""What the gateway tells of itself: one Record a request, one Stats a moment. Read by the control loop over the
worker's UNIX socket: `GET /stats` (Stats) and `GET /records?since=SEQ` (Records), both JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

__all__ = ["Attempt", "EndpointStats", "Record", "Records", "Stats"]


class Attempt(msgspec.Struct, omit_defaults=True):
    """One try at one endpoint. Times are seconds since the request was accepted. `failure` empty = it answered."""

    endpoint: str
    at: float
    failure: str = ""  # refused, reset, closed, timeout, status 503
    why: str = ""  # policy.routing.Why
    among: tuple[str, ...] = ()  # the endpoints of its model
    costs: Sequence[
        float | None
    ] = ()  # of each, as its policy counts (seconds for predicted_latency); None = passed over


class Record(msgspec.Struct, omit_defaults=True):
    """One finished request. Never its content. Times are seconds; `at` is Unix time of acceptance."""

    seq: int
    id: str
    at: float
    path: str
    model: str = ""
    tenant: str = ""  # empty = nobody needs a key
    stream: bool = False
    status: int = 0  # what the caller got; 499 = the caller left
    error: str = ""  # error code told to the caller, also in mid-stream
    waited: float = 0.0  # held because no endpoint was ready
    ttft: float | None = None  # to the first byte of the answer's body
    duration: float = 0.0
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    attempts: list[Attempt] = []
    cache: str = ""  # hit, partial, miss, refresh, bypass; empty = its model has none
    cache_note: str = ""
    saved_tokens: int = 0  # that an engine need not read or write again, as far as it is known


class Records(msgspec.Struct):
    """`next` is the `since` of the next call; `lost` counts records that were overwritten before they were read."""

    records: list[Record]
    next: int
    lost: int = 0


class EndpointStats(msgspec.Struct):
    id: str
    running: int
    total: int
    failures: int


class Stats(msgspec.Struct):
    """Totals are since the worker started."""

    pid: int
    started_at: float
    table_version: int
    address: str  # http://host:port
    running: int
    waiting: int
    waiting_by_model: dict[str, int]
    requests_total: int
    failures_total: int  # answered with 5xx, or ended by an error event
    prompt_tokens_total: int
    completion_tokens_total: int
    endpoints: list[EndpointStats]

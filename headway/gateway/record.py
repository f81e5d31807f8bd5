"""What the gateway tells of itself: one Record a request, one Stats a moment. Read over the hub's UNIX socket:
`GET /stats` (Stats), `GET /records?since=SEQ` (Records) and `GET /explain?id=ID` (story.Story), all JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from headway.policy.route import Step

__all__ = ["Attempt", "Charge", "EndpointStats", "Record", "Records", "Stats", "Trace", "Wait"]


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
    ended: float | None = None  # when it failed
    span: str = ""  # as which the engine's own spans name their parent; empty = not traced


class Wait(msgspec.Struct, omit_defaults=True):
    """Time that a request spent waiting, in the order in which it did. Seconds; `at` since it was accepted.

    gate: for a share of its tenant's limits. line: in the model's fair line, for a place at an endpoint. lobby: for an
    endpoint to be there, or to work again. cache: for the answer to an equal request."""

    where: Literal["gate", "line", "lobby", "cache"]
    at: float
    seconds: float = 0.0
    ahead: int | None = None  # of those in the line, how many would go first when it came
    waiting: int | None = None  # in the line when it came
    eta: float | None = None  # seconds until its turn, as was thought then


class Charge(msgspec.Struct, omit_defaults=True):
    """What a tenant's limits had to say: `limits[i]` allows `sizes[i]`; `left`, by policy.budget.Limit, is what nobody
    held when the request came. It held `held_…` while it ran and was charged the rest. Money in millionths."""

    key: str  # its id
    limits: tuple[str, ...] = ()  # rpm, tpm, parallel, day_tokens, day_micros, month_tokens, month_micros
    sizes: tuple[int, ...] = ()
    left: list[int] = []
    refused_by: str = ""  # the limit
    held_tokens: int = 0
    held_micros: int = 0
    tokens: int = 0
    micros: int = 0


class Trace(msgspec.Struct, omit_defaults=True):
    """Of a request that is traced: ids as W3C Trace Context writes them. `parent`: the caller's span, if it has one."""

    id: str
    span: str
    parent: str = ""
    state: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    choices: int | None = None


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
    message: str = ""  # of a refusal by the gateway's own doing
    waited: float = 0.0  # of its time, before it was sent
    waits: list[Wait] = []
    ttft: float | None = None  # to the first byte of the answer's body
    duration: float = 0.0
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    micros: int | None = None  # its price, in millionths of money; None = the model has none
    attempts: list[Attempt] = []
    table: int = 0  # version of the routing table when it ended
    worker: int | None = None  # the hub notes it
    priority: str = ""  # empty = normal
    deadline: float | None = None  # seconds, where its model or its caller named some
    cache: str = ""  # hit, partial, miss, refresh, bypass; empty = its model has none
    cache_note: str = ""
    cache_of: str = ""  # the Route whose own cache that was; empty = its model's
    saved_tokens: int = 0  # that an engine need not read or write again, as far as it is known
    charge: Charge | None = None
    trace: Trace | None = None
    route: str = ""  # the Route that was asked for; `model` is then the one that answered
    steps: list[Step] = []  # the Models that its Route looked at, chosen or passed over
    shadow_of: str = ""  # a copy of that request, whose answer nobody got


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

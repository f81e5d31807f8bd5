"""What the control process tells of the world: `GET /state` and each line of `GET /events` on its socket and page.

The CLI and the page show this and nothing else. Times are Unix seconds, sizes bytes.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "AppView",
    "ControlView",
    "DecisionView",
    "GatewayView",
    "ModelState",
    "ModelView",
    "ReplicaView",
    "RouteView",
    "SiteView",
    "Snapshot",
    "TenantView",
    "UsedView",
    "VariantView",
]

ModelState = Literal["ready", "degraded", "preparing", "starting", "pending", "failed", "stopping"]
"""ready: all wanted Replicas answer; degraded: some do; the others: none does yet, and why."""


class ReplicaView(msgspec.Struct):
    name: str
    revision: str
    state: str  # sites.base.ReplicaState
    reason: str  # policy.decision.Reason
    message: str
    next_action: str
    address: str  # host:port, empty before it has one
    pid: int | None
    threads: int
    gpus: list[str]
    memory_bytes: int
    restarts: int
    since: float
    log: str
    derived: dict[str, str]
    progress: dict[str, Any] | None  # engines.base.Progress
    signals: dict[str, Any] | None  # engines.signals.Signals
    variant: str = ""
    node: str = ""  # of a cluster


class VariantView(msgspec.Struct):
    """One of the ways in which a Model is served. `price` as a file would have it; None = none."""

    name: str
    revision: str
    engine: str
    source: str
    replicas_wanted: int
    replicas_ready: int
    derived: dict[str, str]
    price: dict[str, str] | None = None


class ModelView(msgspec.Struct):
    name: str
    state: ModelState
    reason: str
    message: str
    next_action: str
    task: str
    engine: str
    source: str
    revision: str
    address: str  # base URL that ends in /v1
    replicas_wanted: int
    replicas_ready: int
    since: float
    replicas: list[ReplicaView]
    derived: dict[str, str]  # each value that was derived -> why
    progress: dict[str, Any] | None = None
    variants: list[VariantView] = []


class DecisionView(msgspec.Struct):
    at: float
    object: str
    action: str
    reason: str
    message: str
    numbers: dict[str, Any]
    look_again: float | None = None


class GatewayView(msgspec.Struct):
    state: Literal["ready", "starting", "failed"]
    address: str  # http://host:port/v1
    pid: int | None
    message: str
    table_version: int
    running: int
    waiting: int
    requests_total: int
    failures_total: int
    tokens_per_second: float  # completion tokens, over the last seconds


class SiteView(msgspec.Struct):
    name: str
    kind: str
    cores: int
    memory_bytes: int
    free_memory_bytes: int
    accelerators: list[dict[str, Any]]
    notes: list[str]


class ControlView(msgspec.Struct):
    pid: int
    version: str
    started_at: float
    page: str  # http://host:port
    state_dir: str


class UsedView(msgspec.Struct):
    """What a Tenant used in the current day or month (UTC), as far as it was settled; `left` in the budget's unit."""

    start: str
    requests: int
    tokens: int
    micros: int  # millionths of money
    budget: str = ""  # as it is written in the file; empty = none
    left: int | None = None
    unit: Literal["", "tokens", "micros"] = ""


class TenantView(msgspec.Struct):
    name: str
    members: list[str]
    models: list[str] | None  # names and patterns; None = all
    limits: dict[str, int]
    priority: str
    weight: float
    log: str
    cache: str
    keys: int  # that are valid now
    origin: str
    since: float
    day: UsedView
    month: UsedView


class RouteView(msgspec.Struct):
    """`route` as the file has it; `state` of each Model behind it, `absent` when there is none of that name; what was
    spent of budgets, by Model: day and month."""

    name: str
    route: dict[str, Any]
    models: dict[str, ModelState | Literal["absent"]]
    spent: dict[str, dict[str, UsedView]]
    address: str  # base URL that ends in /v1
    origin: str
    since: float


class AppView(msgspec.Struct):
    """`state` is ready, … as of a Model, or asleep: it was idle. `address`: http://host:port; empty while it does not
    run. `idle` in seconds, `used` the last use as far as it was seen; `tenant` whose key it has."""

    name: str
    state: ModelState | Literal["asleep"]
    reason: str
    message: str
    next_action: str
    program: str
    tenant: str
    revision: str
    address: str
    replicas_wanted: int
    replicas_ready: int
    since: float
    replicas: list[ReplicaView]
    idle: float | None = None
    used: float | None = None
    progress: dict[str, Any] | None = None


class Snapshot(msgspec.Struct):
    at: float
    control: ControlView
    gateway: GatewayView
    site: SiteView
    models: list[ModelView]
    decisions: list[DecisionView]  # newest first, at most 50
    tenants: list[TenantView] = []
    routes: list[RouteView] = []
    apps: list[AppView] = []

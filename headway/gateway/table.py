"""The RoutingTable: all that the gateway knows of the world, immutable, versioned, swapped whole.

It is also the file that the control loop writes and the gateway reads (JSON; secrets by name only). Who runs the
gateway alone writes it by hand, and this is enough:

    {"models": [{"name": "chat", "endpoints": [{"url": "http://10.0.0.5:8000"}, {"url": "http://10.0.0.6:8000"}]}]}
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from headway.gateway.settings import Tunable
from headway.policy.caching import CacheRules
from headway.policy.route import RouteRule, Slo

__all__ = [
    "Deadlines",
    "Endpoint",
    "EndpointTls",
    "KeyEntry",
    "ModelRoute",
    "Objective",
    "RoutingTable",
    "TenantRule",
    "TokenPrice",
    "read_table",
    "write_table",
]


class EndpointTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an https endpoint is believed. Files are PEM, followed as they change."""

    ca: str = ""  # its certificate authority; empty = the system's
    server_name: str = ""  # the name in its certificate, sent as SNI; empty = the URL's host
    cert: str = ""  # ours, where it asks for one
    key: str = ""
    verify: Literal["full", "none"] = "full"  # none: anybody on the way can read and change everything


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Replica as the gateway sees it. `id` is `replica.incarnation`: a restarted engine is another endpoint. Left out
    it is the address; several models may name the same endpoint, and its load is theirs together."""

    id: str = ""
    replica: str = ""
    revision: str = ""
    url: str = ""  # http://127.0.0.1:41000 or https://api.example.com/prefix ; without /v1
    upstream_model: str = ""  # the name to send instead of the caller's; empty = leave the body as it is
    key: str = ""  # `secret:NAME/KEY`, sent as a bearer token
    variant: str = ""  # one of unlike ways to serve the model; those of one variant are equally fast until they differ
    price: TokenPrice | None = None  # of what is answered here; None = the model's
    tls: EndpointTls | None = None
    engine: str = ""  # vllm, sglang, …: some can do what others cannot. Empty = nobody knows


class Deadlines(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Seconds that requests of one model have, where they are to differ from the gateway's settings. `first_byte`
    counts for every answer, not for streams alone."""

    whole: Annotated[float, msgspec.Meta(gt=0)] | None = None
    first_byte: Annotated[float, msgspec.Meta(gt=0)] | None = None
    idle: Annotated[float, msgspec.Meta(gt=0)] | None = None


class ModelRoute(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One public name. Without endpoints the request is held to its deadline; `reason` is then told to the caller."""

    name: str
    task: Literal["chat", "completion", "embedding"] = "chat"
    endpoints: tuple[Endpoint, ...] = ()
    created: int = 0  # Unix seconds, for /v1/models
    reason: str = ""  # why there is no endpoint: starting, pending: …
    eta: float | None = None  # seconds until an endpoint is expected
    policy: Literal["predicted_latency", "round_robin", "least_request", "power_of_two", "prefix_affinity"] = (
        "predicted_latency"
    )
    adapter: str = ""  # this name is a LoRA adapter, loaded by the engines when they need it
    price: TokenPrice | None = None
    slo: Slo = Slo()  # where prices differ, the cheapest endpoints that are predicted to meet it are used
    weights: dict[str, float] = {}  # Revision -> its share within its variant, the same for the same user. A variant of
    # which none is named is used as the policy likes; of one of which some are, those that are not get nothing
    capacity: int = 0  # requests that one endpoint should run at once; more wait here, in a fair order. 0 = unlimited
    cache: CacheRules | None = None
    deadlines: Deadlines | None = None
    expected: bool = True  # False = none will come by itself (failed): answer 503 at once

    @property
    def routed(self) -> tuple[Endpoint, ...]:
        """Without the endpoints of Revisions that get nothing."""
        if not self.weights:
            return self.endpoints
        weighted = {each.variant for each in self.endpoints if each.revision in self.weights}
        return tuple(
            each for each in self.endpoints if each.variant not in weighted or self.weights.get(each.revision, 0) > 0
        )


class TokenPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Micro-money (millionths) for a million tokens; `cached` of prompt tokens that the engine had in its cache."""

    input: int
    cached: int
    output: int


class TenantRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Tenant, as `policy.admission.Rule` wants it. None = no such limit; micros are millionths of money."""

    name: str
    models: tuple[str, ...] | None = None  # names and patterns (`embed-*`); None = all
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    day_tokens: int | None = None
    day_micros: int | None = None
    month_tokens: int | None = None
    month_micros: int | None = None
    priority: Literal["high", "normal", "low"] = "normal"
    weight: float = 1.0
    isolated: bool = True  # its prompts are never matched with the cached prefixes of others
    log: Literal["none", "metadata"] = "metadata"  # none: no Record of its requests is kept
    answers: Literal["none", "own", "shared"] = "own"  # which caches may keep the answers to it


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request can name as its objective (Gateway API Inference Extension: InferenceObjective). 0 is usual, more
    goes first, less than 0 is turned away when the engines are saturated."""

    name: str
    priority: int = 0


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that is valid. Never the key itself: the SHA-256 of it, as hex digits."""

    sha256: str
    id: str
    tenant: str
    models: tuple[str, ...] | None = None  # in addition to the Tenant's; None = all of those
    expires: float | None = None  # Unix time


class RoutingTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int = 0
    models: tuple[ModelRoute, ...] = ()
    tenants: tuple[TenantRule, ...] = ()  # none = everybody on this machine may call, and nobody else
    keys: tuple[KeyEntry, ...] = ()
    objectives: tuple[Objective, ...] = ()
    settings: Tunable | None = None  # limits and deadlines that are to differ from their defaults
    salt: str = ""  # `secret:NAME/KEY`, the same at all gateways of an engine; empty = each host makes its own
    routes: tuple[RouteRule, ...] = ()

    @property
    def caches(self) -> tuple[tuple[str, CacheRules | None], ...]:
        """Of each Model and each Route, by its name."""
        models = tuple((each.name, each.cache) for each in self.models)
        return models + tuple((each.name, each.cache) for each in self.routes)

    @property
    def accounts(self) -> tuple[TenantRule, ...]:
        """Who has limits that the ledger keeps: the Tenants, and the budgets of Routes."""
        return self.tenants + tuple(
            TenantRule(
                route.account(each),
                day_tokens=each.day_tokens,
                day_micros=each.day_micros,
                month_tokens=each.month_tokens,
                month_micros=each.month_micros,
            )
            for route in self.routes
            for each in route.fallback
            if each.limited
        )


def read_table(path: Path) -> RoutingTable:
    """Raises OSError, msgspec.DecodeError or msgspec.ValidationError."""
    table = msgspec.json.decode(path.read_bytes(), type=RoutingTable)
    names = Counter([*(each.name for each in table.models), *(each.name for each in table.routes)])
    if twice := [name for name, count in names.items() if count > 1]:
        raise msgspec.ValidationError(f"{twice[0]!r} stands twice; models and routes have one namespace: rename one")
    return msgspec.structs.replace(table, models=tuple(_named(model) for model in table.models))


def _named(model: ModelRoute) -> ModelRoute:
    if all(endpoint.id and endpoint.replica for endpoint in model.endpoints):
        return model
    named = []
    for endpoint in model.endpoints:
        own = endpoint.id or urlsplit(endpoint.url).netloc or endpoint.url
        named.append(msgspec.structs.replace(endpoint, id=own, replica=endpoint.replica or own))
    return msgspec.structs.replace(model, endpoints=tuple(named))


def write_table(path: Path, table: RoutingTable) -> None:
    """Whole or not at all: a reader sees the old table or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(table))
    fresh.replace(path)

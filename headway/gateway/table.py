"""The RoutingTable: all that the gateway knows of the world, immutable, versioned, swapped whole.

It is also the file that the control loop writes and the gateway reads (JSON; secrets by name only). Who runs the
gateway alone writes it by hand, and this is enough:

    {"models": [{"name": "chat", "endpoints": [{"url": "http://10.0.0.5:8000"}, {"url": "http://10.0.0.6:8000"}]}]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

__all__ = ["Endpoint", "ModelRoute", "RoutingTable", "read_table", "write_table"]


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Replica as the gateway sees it. `id` is `replica.incarnation`: a restarted engine is another endpoint. Left out
    it is the address; several models may name the same endpoint, and its load is theirs together."""

    id: str = ""
    replica: str = ""
    revision: str = ""
    url: str = ""  # http://127.0.0.1:41000 or https://api.example.com/prefix ; without /v1
    upstream_model: str = ""  # the name to send instead of the caller's; empty = leave the body as it is
    key: str = ""  # `secret:NAME/KEY`, sent as a bearer token


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
    price: Price | None = None
    capacity: int = 0  # requests that one endpoint should run at once; more wait here, in a fair order. 0 = unlimited
    expected: bool = True  # False = none will come by itself (failed): answer 503 at once


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Micro-money per million tokens; `cached` is for prompt tokens that the engine had in its cache."""

    input: int = 0
    cached: int = 0
    output: int = 0


class TenantRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who pays and who is limited. None = no limit. Tokens and requests are counts, micros are micro-money."""

    name: str
    models: tuple[str, ...] | None = None  # names, or patterns with *; None = all
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    day_tokens: int | None = None
    day_micros: int | None = None
    month_tokens: int | None = None
    month_micros: int | None = None
    priority: Literal["high", "normal", "low"] = "normal"
    weight: float = 1.0
    shares_cache: bool = False  # its prompts may be found in engines' caches by other tenants' equal ones


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API key, as its SHA-256. `expires` is Unix time."""

    sha256: str  # hex
    id: str
    tenant: str
    models: tuple[str, ...] | None = None
    expires: float | None = None


class RoutingTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int = 0
    models: tuple[ModelRoute, ...] = ()
    tenants: tuple[TenantRule, ...] = ()  # none = everybody on this machine may call, and nobody else
    keys: tuple[KeyEntry, ...] = ()


def read_table(path: Path) -> RoutingTable:
    """Raises OSError, msgspec.DecodeError or msgspec.ValidationError."""
    table = msgspec.json.decode(path.read_bytes(), type=RoutingTable)
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

"""What is wanted, and who answers -> what the gateway routes and admits by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from headway.control.cluster.reading import Condition, Wanted
from headway.control.routes import elsewhere, key_entries, route_rules, routes, tenant_rules
from headway.gateway.table import Endpoint, KeyEntry, ModelRoute, TenantRule
from headway.policy.decision import Reason
from headway.policy.route import RouteRule
from headway.sites.base import Replica, ReplicaState
from headway.store.keys import Key
from headway.store.models import DesiredModel

__all__ = ["Parts", "parts_of"]


@dataclass(frozen=True, slots=True)
class Parts:
    """Of a RoutingTable, without its version."""

    models: tuple[ModelRoute, ...] = ()
    tenants: tuple[TenantRule, ...] = ()
    keys: tuple[KeyEntry, ...] = ()
    routes: tuple[RouteRule, ...] = ()


def parts_of(wanted: Wanted, replicas: Iterable[Replica], keys: Iterable[Key], now: float) -> Parts:
    """`now`: Unix seconds."""
    provided = elsewhere(wanted.models)
    there = (*replicas, *_provided(wanted.models, provided))
    found = routes(wanted.models, there, (), provided)
    return Parts(
        tuple(_explained(each, wanted.conditions[each.name]) for each in found),
        tenant_rules(wanted.tenants),
        key_entries(keys, {each.name for each in wanted.tenants}, now),
        route_rules(wanted.routes),
    )


def _provided(models: Mapping[str, DesiredModel], provided: Mapping[str, Endpoint]) -> Iterable[Replica]:
    """Of Models that somebody else serves: no pod stands for them, and they are always ready."""
    for name, wanted in models.items():
        for way in wanted.ways:
            if (found := provided.get(way.revision.id)) and way.replicas:
                message = f"served by {found.url}"
                yield Replica(found.replica, name, found.revision, ReplicaState.READY, Reason.EXTERNAL, message)


def _explained(route: ModelRoute, conditions: Mapping[str, Condition]) -> ModelRoute:
    """Why there is no endpoint, in the operator's words; and whether one will come by itself, by its conditions."""
    ready, message = conditions.get("Ready", ("", ""))
    if route.endpoints or ready != "False":
        return route
    progressing = conditions.get("Progressing", ("True", ""))[0]
    return msgspec.structs.replace(
        route, reason=message or route.reason, expected=route.expected and progressing != "False"
    )

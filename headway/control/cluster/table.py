"""What is known of the cluster -> what the gateway routes and admits by. Pure but for what it remembers of reading.

An object that cannot be read is told once and left out, and every other one is as it was: one team's mistake is not the
next team's outage. Admission by the API server (the CRDs' rules) keeps most of them out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from headway.control.cluster.known import Seen
from headway.control.routes import elsewhere, key_entries, route_rules, routes, tenant_rules
from headway.engines import registry
from headway.errors import HeadwayError
from headway.gateway.table import Endpoint, KeyEntry, ModelRoute, TenantRule
from headway.policy.decision import Reason
from headway.policy.route import RouteRule
from headway.sites.base import Replica, ReplicaState
from headway.sites.kubernetes.endpoints import replicas_of
from headway.sites.kubernetes.keys import keys_in
from headway.sites.kubernetes.names import owners
from headway.sites.kubernetes.read import created, read_model, read_route, read_tenant
from headway.store.models import DesiredModel
from headway.store.routes import DesiredRoute
from headway.wire.kube.manifest import Manifest, Ref, ref

__all__ = ["Parts", "Reading"]

log = logging.getLogger(__name__)

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Parts:
    """Of a RoutingTable, without its version."""

    models: tuple[ModelRoute, ...] = ()
    tenants: tuple[TenantRule, ...] = ()
    keys: tuple[KeyEntry, ...] = ()
    routes: tuple[RouteRule, ...] = ()


class Reading:
    """`site`: whose profiles of Models count. Remembers what each object was read as, by its version: a change of one
    Model costs the reading of one."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._read: dict[Ref, tuple[str, object]] = {}

    def parts(self, seen: Seen, now: float) -> Parts:
        """`now`: Unix seconds."""
        named = owners([*seen.models, *seen.routes])
        models = [each for each in seen.models if named[each["metadata"]["name"]] == ref(each)]
        roads = [each for each in seen.routes if named[each["metadata"]["name"]] == ref(each)]
        desired = {each.model.name: each for each in self._each(models, self._model)}
        tenants = self._each(seen.tenants, read_tenant)
        uids = {each["metadata"]["name"]: each["metadata"]["uid"] for each in seen.tenants}
        parts = Parts(
            tuple(self._routes(models, desired, seen.slices)),
            tenant_rules(tenants),
            key_entries(keys_in(seen.keys, uids), {each.name for each in tenants}, now),
            route_rules(sorted(self._each(roads, self._route), key=lambda each: each.route.name)),
        )
        self._forget(ref(each) for each in (*models, *roads, *seen.tenants))
        return parts

    def _routes(
        self, models: Iterable[Manifest], desired: Mapping[str, DesiredModel], slices: Iterable[Manifest]
    ) -> Iterable[ModelRoute]:
        conditions = {each["metadata"]["name"]: _conditions(each) for each in models}
        spaces = {each["metadata"]["name"]: each["metadata"]["namespace"] for each in models}
        provided = elsewhere(desired)
        replicas = (*replicas_of(slices, spaces), *_provided(desired, provided))
        for route in routes(desired, replicas, (), provided):
            yield _explained(route, conditions[route.name])

    def _model(self, manifest: Manifest) -> DesiredModel:
        model = read_model(manifest, self._site)
        first, *others = [registry.revise_elsewhere(way, name) for name, way in model.ways.items()]
        return DesiredModel(
            model,
            first.revision,
            first.derived,
            created=created(manifest),
            others=tuple((each.revision, each.derived) for each in others),
        )

    def _route(self, manifest: Manifest) -> DesiredRoute:
        return DesiredRoute(read_route(manifest), created=created(manifest))

    def _each(self, manifests: Iterable[Manifest], read: Callable[[Manifest], Read]) -> list[Read]:
        found = (self._once(each, read) for each in manifests)
        return [each for each in found if each is not None]

    def _once(self, manifest: Manifest, read: Callable[[Manifest], Read]) -> Read | None:
        """By generation: a status that is written anew changes nothing of what is wanted."""
        at, metadata = ref(manifest), manifest["metadata"]
        version = f"{metadata.get('uid')}/{metadata.get('generation')}"
        known = self._read.get(at)
        if known is not None and known[0] == version:
            return known[1]  # type: ignore[return-value]
        found: Read | None = None
        try:
            found = read(manifest)
        except HeadwayError as error:
            log.warning("%s is left out, all others are served: %s", at, error)
        self._read[at] = (version, found)
        return found

    def _forget(self, kept: Iterable[Ref]) -> None:
        self._read = {at: self._read[at] for at in kept}


def _provided(desired: Mapping[str, DesiredModel], provided: Mapping[str, Endpoint]) -> Iterable[Replica]:
    """Of Models that somebody else serves: no pod stands for them, and they are always ready."""
    for name, wanted in desired.items():
        for way in wanted.ways:
            if (found := provided.get(way.revision.id)) and way.replicas:
                message = f"served by {found.url}"
                yield Replica(found.replica, name, found.revision, ReplicaState.READY, Reason.EXTERNAL, message)


def _explained(route: ModelRoute, conditions: Mapping[str, tuple[str, str]]) -> ModelRoute:
    """Why there is no endpoint, in the operator's words; and whether one will come by itself, by its conditions."""
    ready, message = conditions.get("Ready", ("", ""))
    if route.endpoints or ready != "False":
        return route
    progressing = conditions.get("Progressing", ("True", ""))[0]
    return msgspec.structs.replace(
        route, reason=message or route.reason, expected=route.expected and progressing != "False"
    )


def _conditions(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """Type -> status and message, if they are about the spec as it is now."""
    metadata, said = manifest["metadata"], (manifest.get("status") or {}).get("conditions") or ()
    return {
        each["type"]: (each["status"], each["message"])
        for each in said
        if each.get("observedGeneration", metadata.get("generation")) == metadata.get("generation")
    }

"""The cluster's objects -> what is wanted. Each object is read once for each of its generations.

An object that cannot be read is told once and left out, and every other one is as it was: one team's mistake is not the
next team's outage. Admission by the API server (the CRDs' rules) keeps most of them out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from headway.control.cluster.known import Seen
from headway.engines import registry
from headway.errors import HeadwayError
from headway.sites.kubernetes.names import owners
from headway.sites.kubernetes.read import created, read_model, read_route, read_tenant
from headway.spec.tenant import Tenant
from headway.store.models import DesiredModel
from headway.store.routes import DesiredRoute
from headway.wire.kube.manifest import Manifest, Ref, ref

__all__ = ["Condition", "Reading", "Wanted"]

log = logging.getLogger(__name__)

Read = TypeVar("Read")
Condition = tuple[str, str]
"""Status and message."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`namespaces` and `conditions` by Model, the latter by type; `tenants` with the uids of their objects."""

    models: Mapping[str, DesiredModel] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, Condition]] = field(default_factory=dict)
    routes: tuple[DesiredRoute, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    uids: Mapping[str, str] = field(default_factory=dict)


class Reading:
    """`site`: whose profiles of Models count."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._read: dict[Ref, tuple[str, object]] = {}

    def wanted(self, seen: Seen) -> Wanted:
        named = owners([*seen.models, *seen.routes])
        models = {each["metadata"]["name"]: each for each in seen.models if _has_its_name(each, named)}
        roads = [each for each in seen.routes if _has_its_name(each, named)]
        found = Wanted(
            {each.model.name: each for each in self._each(models.values(), self._model)},
            {name: each["metadata"]["namespace"] for name, each in models.items()},
            {name: _conditions(each) for name, each in models.items()},
            tuple(sorted(self._each(roads, _route), key=lambda each: each.route.name)),
            tuple(self._each(seen.tenants, read_tenant)),
            {each["metadata"]["name"]: each["metadata"]["uid"] for each in seen.tenants},
        )
        self._read = {at: self._read[at] for at in (ref(each) for each in (*models.values(), *roads, *seen.tenants))}
        return found

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


def _has_its_name(manifest: Manifest, named: Mapping[str, Ref]) -> bool:
    return named[manifest["metadata"]["name"]] == ref(manifest)


def _route(manifest: Manifest) -> DesiredRoute:
    return DesiredRoute(read_route(manifest), created=created(manifest))


def _conditions(manifest: Manifest) -> dict[str, Condition]:
    """Those that are about the spec as it is now."""
    generation, said = manifest["metadata"].get("generation"), (manifest.get("status") or {}).get("conditions") or ()
    current = (each for each in said if each.get("observedGeneration", generation) == generation)
    return {each["type"]: (each["status"], each["message"]) for each in current}

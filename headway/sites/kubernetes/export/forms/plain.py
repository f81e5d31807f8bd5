"""`--as kubernetes`: plain objects that go on working with no Headway anywhere.

They are those of the operator with one difference: a Deployment keeps its name when its Revision changes, and rolls by
itself. The operator makes a Deployment for each Revision and moves between them; nobody does that here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from headway.sites.kubernetes.export.forms.scaler import autoscaler
from headway.sites.kubernetes.export.way import Way
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import REVISION
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.model import model_objects
from headway.spec.model import Model

__all__ = ["plain", "scaled_by", "standing"]


def plain(wish: Wish) -> Iterator[Derived]:
    for model in wish.models:
        yield from scaled_by(wish, model, autoscaler)


def scaled_by(wish: Wish, model: Model, scaler: Callable[[Way], Iterator[Derived]]) -> Iterator[Derived]:
    """Everything of one Model, with this scaler where the replicas of a way are a range."""
    ways = list(wish.of(model))
    if not ways:
        return
    yield from model_objects(model, wish.facts, namespace=wish.namespace)
    for way in ways:
        yield from way.others
        yield from standing(way)
        if way.model.replicas.low < way.model.replicas.high:
            yield from scaler(way)


def standing(way: Way) -> Iterator[Derived]:
    """The workload under a name that stays, and its Service where the pods need names of their own."""
    if way.pods > 1 and way.workload.manifest["kind"] == "StatefulSet":
        note = f"{way.workload.note} Its pods find each other by its name, so that the name holds the Revision: "
        note += "when that changes, delete the old one."
        yield way.service
        yield Derived(way.workload.manifest, way.workload.why, note)
        return
    manifest = deepcopy(way.workload.manifest)
    before, kind = manifest["metadata"]["name"], manifest["kind"]
    manifest["metadata"]["name"] = way.name
    manifest["metadata"]["labels"] = way.labels
    spec = manifest["spec"]
    if "selector" in spec:
        spec["selector"]["matchLabels"] = _lasting(spec["selector"]["matchLabels"])
    for constraint in _constraints(spec):
        constraint["labelSelector"]["matchLabels"] = _lasting(constraint["labelSelector"]["matchLabels"])
    if kind == "StatefulSet":
        spec["serviceName"] = f"{way.name}-pods"
        yield _service(way, f"{way.name}-pods")
    why = dict(way.workload.why)
    if kind == "Deployment":
        spec["revisionHistoryLimit"] = 3
        why["/spec/revisionHistoryLimit"] = "for kubectl rollout undo"
        why["/spec/strategy/rollingUpdate"] = (
            "no GPU is needed twice; a single Replica is away meanwhile: maxSurge 1, maxUnavailable 0 where one is free"
        )
    why["/metadata/name"] = f"stays when the Revision changes; the operator would call it {before}"
    yield Derived(manifest, why, way.workload.note)


def _lasting(labels: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key != REVISION}


def _constraints(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """What in a pod selects by labels: its spread, and its neighbours."""
    pod = spec.get("template", {}).get("spec", {})
    affinity = pod.get("affinity", {})
    terms = [
        term.get("podAffinityTerm", term)
        for part in ("podAffinity", "podAntiAffinity")
        for how in ("requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution")
        for term in affinity.get(part, {}).get(how, ())
    ]
    return [each for each in (*pod.get("topologySpreadConstraints", ()), *terms) if "labelSelector" in each]


def _service(way: Way, name: str) -> Derived:
    manifest = deepcopy(way.service.manifest)
    manifest["metadata"]["name"] = name
    manifest["metadata"]["labels"] = way.labels
    manifest["spec"]["selector"] = _lasting(manifest["spec"]["selector"])
    return Derived(manifest, way.service.why, way.service.note)

"""`--as gateway-api`: for a gateway that knows InferencePools (Envoy Gateway, Istio, GKE, kgateway and others), with
Headway's own endpoint picker: its policy chooses the Replica, somebody else's proxy carries the bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headway.sites.kubernetes.export.forms.picker import METRICS, PORT, picker
from headway.sites.kubernetes.export.forms.picker import NAME as PICKER
from headway.sites.kubernetes.export.forms.plain import plain
from headway.sites.kubernetes.export.way import Way
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.labels import COMPONENT, MANAGED, MODEL, VARIANT
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.network import picker_policy
from headway.spec.model import Model
from headway.spec.route import Route

__all__ = ["GATEWAY", "HEADER", "pools_and_routes"]

GATEWAY = "inference-gateway"
"""The Gateway that the HTTPRoutes name: the admin's, in whatever class."""
HEADER = "X-Gateway-Model-Name"
"""Where a gateway's body-based routing puts the `model` of the request's body."""
_GROUP = "inference.networking.k8s.io"
_REWRITES = "inference.networking.x-k8s.io"


def pools_and_routes(wish: Wish) -> Iterator[Derived]:
    yield from plain(wish)
    served = [each for each in wish.models if list(wish.of(each))]
    for model in served:
        for name, ways in _pools(model, list(wish.of(model))).items():
            yield from picker(name, model.name, wish)
            yield picker_policy(PICKER.format(name=name), model.name, wish.namespace, ports=(PORT, METRICS))
            yield _pool(name, model, ways, wish.namespace)
    alone = len(served) == 1 and not wish.routes
    for model in served:
        backends = [_backend(name, 1) for name in _pools(model, list(wish.of(model)))]
        yield _route(model.name, backends, wish.namespace, alone=alone)
    for route in wish.routes:
        yield from _shared(route, wish)


def _pools(model: Model, ways: Sequence[Way]) -> dict[str, list[Way]]:
    """One for the Model; one a Variant where their engines listen on different ports, which a pool cannot."""
    if len({each.port for each in ways}) == 1:
        return {model.name: list(ways)}
    return {each.name: [each] for each in ways}


def _pool(name: str, model: Model, ways: Sequence[Way], namespace: str) -> Derived:
    selector = {COMPONENT: "replica", MODEL: model.name}
    if name != model.name:
        selector[VARIANT] = ways[0].variant
    spec = {
        "selector": {"matchLabels": selector},
        "targetPorts": [{"number": ways[0].port}],
        "endpointPickerRef": {
            "name": PICKER.format(name=name),
            "port": {"number": PORT},
            "failureMode": "FailOpen",
        },
    }
    why = {
        "/spec/selector": "all Variants and Revisions of the Model: the picker tells them apart",
        "/spec/endpointPickerRef/failureMode": "without its picker any Replica is better than none",
    }
    labels = {MANAGED: "headway", MODEL: model.name}
    manifest = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "InferencePool",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }
    return Derived(manifest, why, f"The Replicas of {model.name} as a gateway sees them.")


def _backend(name: str, weight: float) -> dict[str, Any]:
    return {"group": _GROUP, "kind": "InferencePool", "name": name, "weight": round(weight)}


def _route(name: str, backends: list[dict[str, Any]], namespace: str, *, alone: bool, also: str = "") -> Derived:
    match: dict[str, Any] = {"path": {"type": "PathPrefix", "value": "/v1"}}
    why = {"/spec/rules/0/timeouts": "an answer may stream for minutes; 0s = no limit of the gateway's"}
    if not alone:
        match["headers"] = [{"type": "Exact", "name": HEADER, "value": name}]
        why["/spec/rules/0/matches/0/headers"] = "the body's model, which the gateway's body-based routing puts there"
    rule = {"matches": [match], "backendRefs": backends, "timeouts": {"request": "0s"}}
    manifest = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": namespace, "labels": {MANAGED: "headway"}},
        "spec": {"parentRefs": [{"name": GATEWAY}], "rules": [rule]},
    }
    return Derived(manifest, why, f"Callers of {name}." + (f" {also}" if also else ""))


def _shared(route: Route, wish: Wish) -> Iterator[Derived]:
    """Weights become backends; what else a Route can say only Headway's gateway does."""
    pools = {each.name: list(_pools(each, list(wish.of(each)))) for each in wish.models if list(wish.of(each))}
    backends = [
        _backend(name, 100 * each.weight / len(pools[each.model]))
        for each in route.to
        if each.model in pools
        for name in pools[each.model]
    ]
    said = [name for name in ("match", "fallback", "within", "prefer", "shadow", "cache") if getattr(route, name)]
    also = f"Headway's gateway alone does {', '.join(said)}: not exported." if said else ""
    if not backends:
        return
    yield _route(route.name, backends, wish.namespace, alone=False, also=also)
    for each in route.to:
        for name in pools.get(each.model, ()):
            yield _rewrite(route.name, each.model, name, wish.namespace)


def _rewrite(public: str, model: str, pool: str, namespace: str) -> Derived:
    rule = {"matches": [{"model": {"type": "Exact", "value": public}}], "targets": [{"modelRewrite": model}]}
    manifest = {
        "apiVersion": f"{_REWRITES}/v1alpha2",
        "kind": "InferenceModelRewrite",
        "metadata": {"name": f"{public}-as-{pool}", "namespace": namespace, "labels": {MANAGED: "headway"}},
        "spec": {"poolRef": {"group": _GROUP, "kind": "InferencePool", "name": pool}, "rules": [rule]},
    }
    return Derived(manifest, {}, f"Engines of {pool} know the name {model} only.")

"""NetworkPolicies: who may talk to whom. What no policy names is denied for the pods that it selects.

The flows are few: callers to the gateway, the gateway to engines, Prometheus to all that has metrics, KEDA to the
scaler, and from inside to the names service, the API server, and where weights come from. Policies need a network
plugin that enforces them; without one they change nothing (docs/cluster.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headway.sites.kubernetes.labels import COMPONENT, MODEL, SYSTEM
from headway.sites.kubernetes.objects.derived import Derived
from headway.wire.kube.manifest import Manifest

__all__ = ["GATEWAY_PORT", "METRICS_PORT", "NAMESPACE_NAME", "SCALER_PORT", "SYSTEM", "model_policies"]
__all__ += ["picker_policy", "system_policies", "tenant_policies"]

GATEWAY_PORT, METRICS_PORT, SCALER_PORT = 8484, 8486, 9486
NAMESPACE_NAME = "kubernetes.io/metadata.name"  # the API server puts it on every namespace
POSTGRES_PORT = 5432

Rule = dict[str, Any]
_REPLICAS: Rule = {"matchExpressions": [{"key": MODEL, "operator": "Exists"}]}


def system_policies(namespace: str = SYSTEM, *, ledger: bool = False) -> tuple[Derived, ...]:
    """Of the operator and the gateway. `ledger`: the gateway keeps its ledger on a PostgreSQL."""
    replicas = {"namespaceSelector": {}, "podSelector": dict(_REPLICAS)}
    gateway = _policy(
        "headway-gateway",
        namespace,
        {"matchLabels": _part("gateway")},
        [_in(GATEWAY_PORT)],
        [_dns(), _api_server(), {"to": [replicas]}, *([_out(POSTGRES_PORT)] if ledger else [])],
    )
    operator = _policy(
        "headway-operator",
        namespace,
        {"matchLabels": _part("operator")},
        [
            _in(METRICS_PORT, {"namespaceSelector": {}}),
            _in(SCALER_PORT, {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "keda"}}}),
        ],
        [_dns(), _api_server(), {"to": [{"podSelector": {"matchLabels": _part("gateway")}}]}],
    )
    return (
        Derived(gateway, _WHY_GATEWAY, "The gateway: callers in; engines, the API server and providers out."),
        Derived(operator, _WHY_OPERATOR, "The operator: metrics and KEDA in; the API server and the gateway out."),
    )


def model_policies(
    model: str, namespace: str, *, system: str = SYSTEM, ports: Iterable[int] = (443,)
) -> tuple[Derived, ...]:
    """Of a Model's Replicas. `ports`: by which its pods load the weights from outside; none = they do not."""
    select = {"matchLabels": {MODEL: model}}
    made, why = _replicas(f"{model}-replicas", namespace, select, system, ports)
    made["metadata"]["labels"] |= {MODEL: model}
    return (Derived(made, why, f"Who may talk to the engines of {model}."),)


def picker_policy(name: str, model: str, namespace: str, *, ports: Iterable[int]) -> Derived:
    """Of a picker beside somebody else's gateway. `ports`: for picks, and metrics. The engines' own say who may carry
    requests to them: a policy here would shut out all others where they have none."""
    made = _policy(
        name,
        namespace,
        {"matchLabels": {"app.kubernetes.io/name": name, COMPONENT: "picker"}},
        [_in(each) for each in ports],
        [_dns(), _api_server(), {"to": [{"podSelector": {"matchLabels": {MODEL: model}}}]}],
    )
    why = {
        "/spec/ingress/0": "a gateway's proxies may run in any namespace, or outside of the cluster",
        "/spec/egress/1": "it follows the EndpointSlices; the API server is no pod, so only its ports can be said",
    }
    return Derived(made, why, f"Who may ask the picker of {model}, and whom it asks.")


def _replicas(
    name: str, namespace: str, select: Rule, system: str, ports: Iterable[int]
) -> tuple[Manifest, Mapping[str, str]]:
    prometheus = {
        "namespaceSelector": {},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
    }
    siblings, fetches = {"podSelector": select}, list(ports)
    made = _policy(
        name,
        namespace,
        select,
        [{"from": [_gateway_of(system), prometheus, siblings]}],
        [_dns(), {"to": [siblings]}, *([_out(*fetches)] if fetches else [])],
    )
    return made, {
        "/spec/ingress/0/from/0": "requests come through the gateway, which knows keys and limits",
        "/spec/ingress/0/from/1": "Prometheus reads the engine's metrics",
        "/spec/ingress/0/from/2": "one Replica over several nodes talks to itself",
    } | ({"/spec/egress/2": "the weights come over HTTPS, or from where the environment says"} if fetches else {})


def tenant_policies(namespace: str, *, system: str = SYSTEM) -> tuple[Derived, ...]:
    """Of a Tenant's namespace: nothing in or out but the names service, the gateway and the namespace itself; and of
    the Replicas in it, which the gateway must reach and which fetch their weights."""
    inside: Rule = {"podSelector": {}}
    made = _policy(
        "headway-tenant",
        namespace,
        {},
        [{"from": [inside]}],
        [_dns(), {"to": [inside]}, {"to": [_gateway_of(system)], "ports": [{"protocol": "TCP", "port": GATEWAY_PORT}]}],
    )
    note = "Apart from other tenants: pods reach each other here, and models through the gateway; add your own to it."
    engines, why = _replicas("headway-replicas", namespace, dict(_REPLICAS), system, (443,))
    return (
        Derived(made, {"/spec/podSelector": "every pod of the namespace"}, note),
        Derived(engines, why, "What the Replicas here need besides: policies add up."),
    )


def _gateway_of(system: str) -> Rule:
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: system}},
        "podSelector": {"matchLabels": _part("gateway")},
    }


_WHY_GATEWAY = {
    "/spec/ingress/0": "callers, who may come from outside of the cluster; they show a key",
    "/spec/egress/0": "names; where the names service runs differs from cluster to cluster, so only the port is said",
    "/spec/egress/1": "the API server is no pod, so only its ports can be said; 443 also reaches providers (openai://)",
    "/spec/egress/2": "every Replica, whatever its namespace",
}
_WHY_OPERATOR = {
    "/spec/ingress/0": "Prometheus",
    "/spec/ingress/1": "KEDA asks the external scaler",
    "/spec/egress/1": "the API server is no pod, so only its ports can be said",
    "/spec/egress/2": "what the scaler tells is measured by the gateway",
}


def _policy(name: str, namespace: str, select: Rule, into: list[Rule], out: list[Rule]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/managed-by": "headway"}},
        "spec": {
            "podSelector": select,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": into,
            "egress": out,
        },
    }


def _part(component: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "headway", COMPONENT: component}


def _in(port: int, *peers: Rule) -> Rule:
    return {"ports": [{"protocol": "TCP", "port": port}]} | ({"from": list(peers)} if peers else {})


def _out(*ports: int, protocols: Iterable[str] = ("TCP",)) -> Rule:
    return {"ports": [{"protocol": protocol, "port": port} for port in ports for protocol in protocols]}


def _dns() -> Rule:
    return _out(53, protocols=("UDP", "TCP"))


def _api_server() -> Rule:
    return _out(443, 6443)

"""Who may do what: one table, from which the roles are made, and nothing beyond it.

A test runs every part on a real cluster, reads the API server's audit log, and compares the verbs that were used with
those that stand here: equal, both ways. Nothing here is `*`, nobody may read a Secret but the gateway its keys, and
nobody may grant what they do not have, save the one role of a tenant's members, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.tenant import MEMBER
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import GROUP

__all__ = ["GRANTS", "KEYS", "LEASE", "Grant", "account", "bindings", "roles"]

RBAC = "rbac.authorization.k8s.io"
KEYS = "headway-keys"
"""The Secret of API keys, hashed."""
LEASE = "headway-operator"

LOOK = ("list", "watch")
KEEP = ("create", "delete", "list", "patch", "watch")
"""Of what the operator makes: an apply is a patch, and a create where there was nothing."""


@dataclass(frozen=True, slots=True)
class Grant:
    """`scope`: cluster is every namespace; system is Headway's own. `names`: only these objects."""

    part: Literal["operator", "gateway"]
    scope: Literal["cluster", "system"]
    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str
    names: tuple[str, ...] = ()


def _all(group: str, resources: str, verbs: Iterable[str], why: str, **more: tuple[str, ...]) -> Grant:
    return Grant("operator", "cluster", group, tuple(resources.split()), tuple(verbs), why, **more)


GRANTS: tuple[Grant, ...] = (
    _all(GROUP, "apps models routes tenants", LOOK, "what is asked for"),
    _all(GROUP, "models", ("patch",), "its finalizer"),
    Grant("operator", "system", GROUP, ("tenants",), ("patch",), "likewise"),
    _all(GROUP, "apps/status models/status routes/status tenants/status", ("patch",), "what is true of it"),
    _all("apps", "deployments statefulsets", KEEP, "Replicas"),
    _all("", "persistentvolumeclaims services", KEEP, "the Replicas' address; the cache of weights"),
    _all("batch", "jobs", KEEP, "prefetching weights"),
    _all("policy", "poddisruptionbudgets", KEEP, "Replicas that must stay through a drain of nodes"),
    _all("networking.k8s.io", "networkpolicies", KEEP, "who may talk to Replicas and tenants"),
    _all("leaderworkerset.x-k8s.io", "leaderworkersets", KEEP, "Replicas over several nodes, where installed"),
    _all("resource.k8s.io", "resourceclaimtemplates", KEEP, "GPUs by DRA"),
    _all("", "pods nodes", LOOK, "why a Replica waits; GPUs: what there is and what is free"),
    _all("", "events", ("create",), "telling what was done"),
    _all("resource.k8s.io", "deviceclasses resourceclaims resourceslices", LOOK, "GPUs by DRA"),
    _all("scheduling.k8s.io", "priorityclasses", LOOK, "those that a Model may name"),
    _all("storage.k8s.io", "storageclasses", LOOK, "where a cache of weights can lie"),
    _all("autoscaling", "horizontalpodautoscalers", LOOK, "never to fight one"),
    _all("keda.sh", "scaledobjects", LOOK, "likewise"),
    _all("", "namespaces", ("create", "list", "patch", "watch"), "of tenants; none is ever deleted"),
    _all("", "limitranges resourcequotas serviceaccounts", KEEP, "tenants"),
    _all(RBAC, "rolebindings", KEEP, "a tenant's members"),
    _all(RBAC, "clusterroles", ("bind",), "only this role can be given to them", names=(MEMBER,)),
    _all("kueue.x-k8s.io", "clusterqueues localqueues", KEEP, "a tenant's queue, where installed"),
    _all("kueue.x-k8s.io", "resourceflavors", ("create", "list", "patch", "watch"), "one for all tenants; it stays"),
    Grant("operator", "system", "coordination.k8s.io", ("leases",), ("create",), "one operator leads"),
    Grant("operator", "system", "coordination.k8s.io", ("leases",), ("get", "update"), "likewise", (LEASE,)),
    Grant("operator", "system", "discovery.k8s.io", ("endpointslices",), LOOK, "the scaler asks gateways what waits"),
    Grant("gateway", "cluster", GROUP, ("models", "routes"), LOOK, "what callers may name"),
    Grant("gateway", "cluster", "discovery.k8s.io", ("endpointslices",), LOOK, "which Replicas answer"),
    Grant("gateway", "system", GROUP, ("tenants",), LOOK, "who may call"),
    Grant("gateway", "system", "", ("secrets",), LOOK, "their keys, hashed", (KEYS,)),
)
_MEMBER = (
    (GROUP, ("apps", "models", "routes"), ("create", "delete", "get", "list", "patch", "update", "watch")),
    (GROUP, ("models/scale",), ("get", "patch", "update")),
    ("", ("events", "pods", "services", "persistentvolumeclaims"), ("get", "list", "watch")),
    ("", ("pods/log",), ("get",)),
    ("", ("pods/portforward",), ("create",)),
    ("", ("resourcequotas",), ("get", "list", "watch")),
    ("", ("secrets",), ("create", "delete")),
    ("apps", ("deployments",), ("get", "list", "watch")),
    ("batch", ("jobs",), ("get", "list", "watch")),
)
"""Of a tenant's members. They make Secrets and read none: a list, and the answer to a patch, have the values too. What
they put into a pod's environment that pod can read."""


def roles(namespace: str) -> tuple[Derived, ...]:
    """The roles of both parts, and the one that the operator may give to members."""
    made = [_derived(part, scope, namespace) for part in ("operator", "gateway") for scope in ("cluster", "system")]
    return (*made, Derived(_member(), note="What the members of a Tenant may do in its namespace."))


def account(part: str) -> str:
    return f"headway-{part}"


def bindings(namespace: str) -> Iterator[Manifest]:
    for part in ("operator", "gateway"):
        subject = {"kind": "ServiceAccount", "name": account(part), "namespace": namespace}
        for kind in ("ClusterRole", "Role"):
            yield {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{kind}Binding",
                "metadata": _named(part, namespace if kind == "Role" else ""),
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": account(part)},
                "subjects": [subject],
            }


def _derived(part: str, scope: str, namespace: str) -> Derived:
    granted = [each for each in GRANTS if (each.part, each.scope) == (part, scope)]
    rules = [_rule(each) for each in granted]
    role: Manifest = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole" if scope == "cluster" else "Role",
        "metadata": _named(part, namespace if scope == "system" else ""),
        "rules": rules,
    }
    return Derived(role, {f"/rules/{number}": each.why for number, each in enumerate(granted)})


def _rule(grant: Grant) -> dict[str, list[str]]:
    rule = {"apiGroups": [grant.group], "resources": list(grant.resources), "verbs": list(grant.verbs)}
    return rule | ({"resourceNames": list(grant.names)} if grant.names else {})


def _member() -> Manifest:
    rules = [
        {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
        for group, resources, verbs in _MEMBER
    ]
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": _named("member", ""), "rules": rules}


def _named(part: str, namespace: str) -> Manifest:
    labels = {"app.kubernetes.io/name": "headway", "app.kubernetes.io/part-of": "headway"}
    named: Manifest = {"name": account(part), "labels": labels}
    return named | ({"namespace": namespace} if namespace else {})

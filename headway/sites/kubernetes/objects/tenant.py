"""What a Tenant has on a cluster: a namespace apart from others, what may run there, and who may put it there.

None of these objects can have the Tenant as its owner (an owner lives in the same namespace), so whoever deletes a
Tenant deletes them by their label, all but the Namespace: what its people made is theirs.
"""

from __future__ import annotations

from typing import Any

from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import MANAGED, TENANT
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.network import SYSTEM, tenant_policies
from headway.sites.kubernetes.objects.queue import queues
from headway.sites.kubernetes.objects.share import hard
from headway.spec.tenant import Tenant
from headway.wire.kube.manifest import Manifest

__all__ = ["MEMBER", "PIPELINE", "tenant_objects"]

MEMBER = "headway-member"
"""The ClusterRole of members, made by the install; a RoleBinding gives it in one namespace."""
PIPELINE = "headway-pipeline"
"""The service account by which a tenant's own automation applies its files."""
RBAC = "rbac.authorization.k8s.io"
_LEVELS = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def tenant_objects(tenant: Tenant, facts: Facts, *, namespace: str = SYSTEM) -> tuple[Derived, ...]:
    """`namespace`: Headway's own, where the gateway is. Nothing for a Tenant that only calls."""
    own = tenant.namespace
    if own is None:
        return ()
    made = [
        Derived(_namespace(tenant, own), {"/metadata/labels": "pods of tenants fit the strictest level"}),
        *_limits(tenant, facts, own),
        *tenant_policies(own, system=namespace),
        Derived(_account(own), note="For the tenant's automation: kubectl create token headway-pipeline."),
        Derived(_members(tenant, own), {"/subjects": "members, and the automation's account"}, "Who works here."),
        *(queues(tenant, facts, own) if facts.has("kueue.x-k8s.io") else ()),
    ]
    for each in made:
        shared = each.manifest["kind"] == "ResourceFlavor"
        named = {MANAGED: "headway"} | ({} if shared else {TENANT: tenant.name})
        each.manifest["metadata"].setdefault("labels", {}).update(named)
    return tuple(made)


def _namespace(tenant: Tenant, name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(_LEVELS)}}


def _limits(tenant: Tenant, facts: Facts, namespace: str) -> tuple[Derived, ...]:
    if tenant.quota is None:
        return ()
    limits, why = hard(tenant.quota, facts)
    quota: Manifest = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "headway", "namespace": namespace},
        "spec": {"hard": limits},
    }
    found = [Derived(quota, {f"/spec/hard/{_pointer(name)}": said for name, said in why.items()}, "What may run here.")]
    if tenant.quota.cpu is not None or tenant.quota.memory is not None:
        note = "A quota of cores or memory refuses pods that request none; these requests are theirs then."
        found.append(Derived(_defaults(namespace), note=note))
    return tuple(found)


def _defaults(namespace: str) -> Manifest:
    one: dict[str, Any] = {"type": "Container", "defaultRequest": {"cpu": "100m", "memory": "256Mi"}}
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "headway", "namespace": namespace},
        "spec": {"limits": [one]},
    }


def _account(namespace: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": PIPELINE, "namespace": namespace},
        "automountServiceAccountToken": False,
    }


def _members(tenant: Tenant, namespace: str) -> Manifest:
    pipeline = {"kind": "ServiceAccount", "name": PIPELINE, "namespace": namespace}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "headway-members", "namespace": namespace},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": MEMBER},
        "subjects": [*(_subject(each) for each in tenant.members), pipeline],
    }


def _subject(member: str) -> dict[str, str]:
    group = member.removeprefix("group:")
    return {"apiGroup": RBAC, "kind": "User" if group == member else "Group", "name": group}


def _pointer(name: str) -> str:
    """A key within a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")

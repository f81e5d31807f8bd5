"""`--piece quota` and `--piece network-policies`: what keeps Tenants apart, with no operator to make it."""

from __future__ import annotations

from collections.abc import Iterator

from headway.errors import UsageError
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects import fetch
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.network import model_policies, system_policies, tenant_policies
from headway.sites.kubernetes.objects.tenant import tenant_objects

__all__ = ["policies", "quotas"]


def quotas(wish: Wish) -> Iterator[Derived]:
    found = [each for tenant in wish.tenants for each in tenant_objects(tenant, wish.facts)]
    kept = [each for each in found if each.manifest["kind"] in ("Namespace", "ResourceQuota", "LimitRange")]
    if not kept:
        raise UsageError(
            "--piece quota: no Tenant of the file has a namespace of its own",
            hint="write kind: Tenant with namespace and quota",
        )
    yield from kept


def policies(wish: Wish) -> Iterator[Derived]:
    """Whatever is not named is denied for the pods that a policy selects."""
    yield from system_policies(wish.system)
    for model in wish.models:
        if ways := list(wish.of(model)):
            ports = sorted({port for way in ways for port in fetch.ports(way.model.env)})
            yield from model_policies(model.name, wish.namespace, system=wish.system, ports=ports)
    for tenant in wish.tenants:
        if tenant.namespace:
            yield from tenant_policies(tenant.namespace, system=wish.system)

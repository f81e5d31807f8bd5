"""All that one install puts on a cluster, in the order in which it can be applied."""

from __future__ import annotations

from collections.abc import Iterable

from headway.sites.kubernetes.install.options import Installation
from headway.sites.kubernetes.install.rbac import bindings, roles
from headway.sites.kubernetes.install.workloads import gateway, operator
from headway.sites.kubernetes.objects.crds import crds
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.network import system_policies
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import GROUP

__all__ = ["LABEL", "install", "kinds", "programs"]

LABEL = f"{GROUP}/install"  # = the namespace: on every object of an install, and on nothing that a user made


def install(of: Installation) -> tuple[Derived, ...]:
    """Kinds and namespace, then rights and network, then the programs."""
    return (*kinds(of), *programs(of))


def kinds(of: Installation) -> tuple[Derived, ...]:
    return _labelled(of, [Derived(each, note=f"The kind {each['spec']['names']['kind']}.") for each in crds()])


def programs(of: Installation) -> tuple[Derived, ...]:
    """All but the kinds."""
    return _labelled(
        of,
        [
            Derived(_namespace(of), _WHY_NAMESPACE, "Where Headway's own parts live; Models live in any namespace."),
            *roles(of.namespace),
            *(Derived(each) for each in bindings(of.namespace)),
            *system_policies(of.namespace, ledger=bool(of.ledger)),
            *operator(of),
            *gateway(of),
        ],
    )


def _labelled(of: Installation, made: Iterable[Derived]) -> tuple[Derived, ...]:
    made = tuple(made)
    for each in made:
        each.manifest["metadata"].setdefault("labels", {})[LABEL] = of.namespace
    return made


_WHY_NAMESPACE = {"/metadata/labels": "Headway's pods fit the strictest level, and nothing else has to run here"}


def _namespace(of: Installation) -> Manifest:
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": of.namespace, "labels": levels}}

"""An install put on a cluster, or brought up to this version there.

Every object is applied by the field manager `headway-cli`. A field that somebody else has set since is not taken from
them unless that is asked for. What an older install made and this one does not is deleted; nothing else ever is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

from headway.errors import HeadwayError, UnreachableError
from headway.sites.kubernetes.install.options import Installation
from headway.sites.kubernetes.install.whole import LABEL
from headway.sites.kubernetes.install.workloads import CLAIM
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref, ref
from headway.wire.kube.resource import resource

__all__ = ["CLI", "LEAST_VERSION", "MADE", "apply", "check_version", "ready", "with_volume"]

CLI = "headway-cli"
"""The field manager of what the command writes."""
LEAST_VERSION = (1, 30)
"""The oldest whose API takes every field that is written (a pod's `sleep` before its end)."""
KINDS_WITHIN = 60.0
"""Seconds for the API server to serve a new kind; it takes one or two."""
POLL = 0.5
VOLUME = "1Gi"
"""Millions of requests' worth of budgets; the ledger keeps sums."""
MADE = (
    ("HorizontalPodAutoscaler", "autoscaling/v2", True),
    ("PodDisruptionBudget", "policy/v1", True),
    ("Deployment", "apps/v1", True),
    ("Service", "v1", True),
    ("NetworkPolicy", "networking.k8s.io/v1", True),
    ("RoleBinding", "rbac.authorization.k8s.io/v1", True),
    ("Role", "rbac.authorization.k8s.io/v1", True),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", False),
    ("ClusterRole", "rbac.authorization.k8s.io/v1", False),
    ("ServiceAccount", "v1", True),
)
"""Kind, version, whether it has a namespace: what an install may have made besides kinds and namespace, last first."""

Told = Callable[[Ref, str], None]
"""Of each object what was done: applied, deleted."""


async def check_version(cluster: Cluster) -> tuple[int, int]:
    """Raises HeadwayError for a cluster that is too old, UnreachableError for none."""
    said = await cluster.ask("/version")
    found = int(said["major"]), int("".join(filter(str.isdigit, said["minor"])))
    if found < LEAST_VERSION:
        least = ".".join(map(str, LEAST_VERSION))
        raise HeadwayError(f"the cluster is Kubernetes {found[0]}.{found[1]}", hint=f"Headway needs {least} or newer")
    return found


async def with_volume(cluster: Cluster, of: Installation) -> Installation:
    """With a claim for budgets where they need one and the cluster gives volumes by itself, or gave one before."""
    if of.ledger or of.gateway_range != (1, 1):
        return of
    if there := await cluster.get(resource("PersistentVolumeClaim"), CLAIM, of.namespace):
        return replace(of, volume=there["spec"]["resources"]["requests"]["storage"])
    for each in (await cluster.list(resource("StorageClass"))).items:
        annotations = each["metadata"].get("annotations") or {}
        if annotations.get("storageclass.kubernetes.io/is-default-class") == "true":
            return replace(of, volume=VOLUME)
    return of


async def apply(cluster: Cluster, made: Iterable[Manifest], namespace: str, told: Told, *, force: bool = False) -> None:
    """Raises HeadwayError with every field that another manager owns, before it has changed that object."""
    made = list(made)
    for each in made:
        try:
            await cluster.apply(each, force=force)
        except ApiRefusal as refusal:
            if refusal.status != 409:
                raise HeadwayError(f"{ref(each)}: {refusal.message}") from refusal
            raise HeadwayError(
                f"{ref(each)}: {_one_line(refusal.message)}",
                hint="somebody set these by hand: --force takes them over, or take them back there",
            ) from refusal
        told(ref(each), "applied")
        if each["kind"] == "CustomResourceDefinition":
            await _served(cluster, each)
    wanted = {ref(each) for each in made}
    for found in await installed(cluster, namespace):
        if found not in wanted:
            await cluster.delete(resource(found.kind, found.api_version), found.name, found.namespace)
            told(found, "deleted")


async def installed(cluster: Cluster, namespace: str) -> list[Ref]:
    """What an install into this namespace has made (but the kinds and the namespace), in the order to delete it."""
    found = []
    for kind, version, within in MADE:
        of = resource(kind, version)
        listing = await cluster.list(of, namespace if within else "", labels=f"{LABEL}={namespace}")
        found += [ref(each) for each in listing.items]
    return found


async def ready(cluster: Cluster, deployment: str, namespace: str, within: float) -> str:
    """Empty once all its pods are; else what it waits for, after `within` seconds."""
    of = resource("Deployment")
    waits = "not there"
    try:
        async with asyncio.timeout(within):
            while True:
                found = await cluster.get(of, deployment, namespace)
                if found is not None and not (waits := _waits(found)):
                    return ""
                await asyncio.sleep(POLL)
    except TimeoutError:
        return waits


def _waits(deployment: Manifest) -> str:
    status, generation = deployment.get("status", {}), deployment["metadata"].get("generation", 0)
    wanted = deployment["spec"].get("replicas", 1)
    there = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if status.get("observedGeneration", 0) >= generation and min(there) >= wanted:
        return ""
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    failure = conditions.get("ReplicaFailure", {}).get("message", "")
    return failure or f"{there[1]} of {wanted} pods are ready"


async def _served(cluster: Cluster, crd: Manifest) -> None:
    of = resource("CustomResourceDefinition")
    name = crd["metadata"]["name"]
    try:
        async with asyncio.timeout(KINDS_WITHIN):
            while True:
                found = await cluster.get(of, name)
                conditions = (found or {}).get("status", {}).get("conditions") or ()  # null at first
                if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
                    return
                await asyncio.sleep(POLL)
    except TimeoutError:
        raise UnreachableError(f"the API server does not serve {name} after {KINDS_WITHIN:g} s") from None


def _one_line(text: str) -> str:
    return " ".join(text.split())

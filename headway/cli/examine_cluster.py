"""What `doctor --on SITE` looks at: what a cluster has, what of it Headway uses, and what would help.

Nothing beyond Kubernetes is required, so that what is not installed is a note that says what it would give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from headway.cli.examine import Finding
from headway.cli.words import size
from headway.sites.kubernetes.facts import Facts, NodeFacts
from headway.sites.kubernetes.install.apply import LEAST_VERSION
from headway.sites.kubernetes.labels import SYSTEM
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import GROUP, resource

__all__ = ["Looked", "findings", "look"]

Told = TypeVar("Told")

HELPERS = (
    ("metrics server", "metrics.k8s.io", "without it the gateway's autoscaler keeps the least number"),
    (
        "Prometheus",
        "monitoring.coreos.com",
        "headway export --piece monitors makes its objects",
    ),
    ("KEDA", "keda.sh", "scaling on what Headway measures, to zero too; HPAs do without"),
    ("Kueue", "kueue.x-k8s.io", "tenants lend each other idle GPUs; quotas are hard limits without it"),
    ("LeaderWorkerSet", "leaderworkerset.x-k8s.io", "more than one Replica over several nodes"),
    ("Gateway API", "gateway.networking.k8s.io", "routes from your own gateway; Headway's needs none"),
    ("inference extension", "inference.networking.k8s.io", "Headway's picker behind your own gateway"),
    ("cert-manager", "cert-manager.io", "certificates for the gateway; --tls takes any Secret"),
    ("sealed secrets", "bitnami.com", "headway secret seal makes them; plain Secrets do too"),
    ("external secrets", "external-secrets.io", "headway secret external makes them; plain Secrets do too"),
)
PLUGIN = "install NVIDIA's GPU operator or device plugin (docs/cluster.md#gpus)"
_LABELS_OF_GPUS = ("nvidia.com/gpu.present", "feature.node.kubernetes.io/pci-10de.present", "amd.com/gpu.present")


@dataclass(frozen=True, slots=True)
class Looked:
    """`kinds`: of Headway, that the cluster serves. `parts`: operator and gateway, None = not there. `level`: of Pod
    Security in the namespace where Models go, empty = none. `flag`: for commands."""

    facts: Facts
    kinds: tuple[str, ...]
    parts: dict[str, Manifest | None]
    level: str
    namespace: str
    flag: str


async def look(cluster: Cluster, namespace: str, flag: str) -> Looked:
    from headway.sites.kubernetes.observe import facts  # noqa: PLC0415

    found = await facts(cluster)
    kinds = await _may(cluster.list(resource("CustomResourceDefinition"))) if found.has(GROUP) else None
    ours = [each["spec"]["names"]["kind"] for each in (kinds.items if kinds else ()) if each["spec"]["group"] == GROUP]
    parts = {
        each: await cluster.get(resource("Deployment"), f"headway-{each}", SYSTEM) for each in ("operator", "gateway")
    }
    space = await _may(cluster.get(resource("Namespace"), namespace))
    labels = ((space or {}).get("metadata", {}).get("labels")) or {}
    level = labels.get("pod-security.kubernetes.io/enforce", "")
    return Looked(found, tuple(sorted(ours)), parts, level, namespace, flag)


async def _may(asked: Awaitable[Told]) -> Told | None:
    try:
        return await asked
    except ApiRefusal as refusal:
        if refusal.status == 403:
            return None
        raise


def findings(seen: Looked) -> Iterator[Finding]:
    looks: tuple[Callable[[Looked], Iterator[Finding]], ...] = (
        _version, _nodes, _gpus, _dra, _storage, _security, _headway, _helpers
    )  # fmt: skip
    for each in looks:
        yield from each(seen)


def _version(seen: Looked) -> Iterator[Finding]:
    least = ".".join(map(str, LEAST_VERSION))
    found = f"{seen.facts.version[0]}.{seen.facts.version[1]}"
    old = seen.facts.version < LEAST_VERSION
    yield Finding("kubernetes", "missing" if old else "ok", found, f"upgrade it to {least} or newer" if old else "")


def _nodes(seen: Looked) -> Iterator[Finding]:
    nodes = seen.facts.nodes
    ready = [each for each in nodes if each.ready and each.schedulable]
    cores, memory = sum(each.cpu for each in ready), sum(each.memory_bytes for each in ready)
    free = (
        f"{sum(each.free_cpu for each in ready):g} cores and {size(sum(each.free_memory_bytes for each in ready))} free"
    )
    told = f"{len(ready)} of {len(nodes)} ready, {cores:g} cores, {size(memory)}; {free}"
    spot = sum(each.spot for each in ready)
    told += f"; {spot} on spot" if spot else ""
    yield Finding("nodes", "ok" if ready else "missing", told, "" if ready else "add or repair a node")


def _gpus(seen: Looked) -> Iterator[Finding]:
    there, free, on = Counter[str](), Counter[str](), Counter[str]()
    for node in seen.facts.nodes:
        for each in node.gpus:
            shared = f", each shared by {each.shares}" if each.shares > 1 else ""
            memory = f" of {size(each.memory_bytes)}" if each.memory_bytes else ""
            name = f"{each.product or 'unlabelled'}{memory} ({each.resource}{shared})"
            there[name] += each.count
            free[name] += each.free
            on[name] += 1
    for name in sorted(there):
        yield Finding(
            "gpu", "ok", f"{there[name]} x {name} on {on[name]} node{'s' if on[name] > 1 else ''}, {free[name]} free"
        )
    if any("unlabelled" in name for name in there):
        yield Finding("gpu labels", "note", "GPUs have no product", "install gpu-feature-discovery: gpu: H100 needs it")
    hidden = [
        each.name
        for each in seen.facts.nodes
        if not each.gpus and any(each.labels.get(key) == "true" for key in _LABELS_OF_GPUS)
    ]
    if hidden:
        yield Finding(
            "device plugin", "missing", f"{hidden[0]} has GPUs that pods cannot ask for ({len(hidden)} nodes)", PLUGIN
        )
    elif not there:
        yield Finding("gpu", "note", "none; models run on cores", f"with GPUs in the nodes: {PLUGIN}")


def _says_gpu(node: NodeFacts) -> bool:
    return any(node.labels.get(key) == "true" for key in _LABELS_OF_GPUS)


def _dra(seen: Looked) -> Iterator[Finding]:
    if seen.facts.device_classes:
        yield Finding("dra", "ok", ", ".join(seen.facts.device_classes))
    elif "resource.k8s.io/v1" in seen.facts.groups:
        yield Finding("dra", "note", "served, and no driver offers devices; the device plugin is used")


def _storage(seen: Looked) -> Iterator[Finding]:
    for each in seen.facts.storage:
        modes = "one node or many (ReadWriteMany)" if each.shared else "one node at a time (ReadWriteOnce)"
        default = ", the default" if each.default else ""
        yield Finding("storage class", "ok", f"{each.name}{default}: {each.provisioner}, {modes}")
    if not seen.facts.storage:
        yield Finding(
            "storage class", "note", "none; weights are fetched by every Replica", "a StorageClass gives them a cache"
        )


def _security(seen: Looked) -> Iterator[Finding]:
    told = seen.level or "not enforced"
    fix = f"kubectl label namespace {seen.namespace} pod-security.kubernetes.io/enforce=restricted"
    good = seen.level == "restricted"
    yield Finding(
        "pod security", "ok" if good else "note", f"{told} in namespace {seen.namespace}", "" if good else fix
    )


def _headway(seen: Looked) -> Iterator[Finding]:
    install = f"headway install{seen.flag}"
    if not seen.kinds:
        yield Finding("headway", "missing", "not installed", install)
        return
    yield Finding("headway", "ok", f"kinds {', '.join(seen.kinds)}")
    for name, found in seen.parts.items():
        if found is None:
            yield Finding(name, "missing", f"not in namespace {SYSTEM}", install)
            continue
        status = found.get("status", {})
        there, wanted = status.get("availableReplicas", 0), found["spec"].get("replicas", 1)
        image = found["spec"]["template"]["spec"]["containers"][0]["image"]
        fix = f"kubectl -n {SYSTEM} describe pods -l app.kubernetes.io/component={name}"
        yield Finding(name, "ok" if there else "missing", f"{there} of {wanted} ready, {image}", "" if there else fix)


def _helpers(seen: Looked) -> Iterator[Finding]:
    for name, group, gives in HELPERS:
        there = seen.facts.has(group)
        yield Finding(name, "ok" if there else "note", "there" if there else f"not there: {gives}")

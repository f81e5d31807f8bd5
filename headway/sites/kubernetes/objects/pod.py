"""The pod of a Replica: one engine, its weights, and where it may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headway.engines.container import INDEX, LEADER, Container
from headway.sites.kubernetes import labels
from headway.sites.kubernetes.objects import drain, fetch, spot
from headway.sites.kubernetes.objects.accelerators import RESOURCES, Accelerators
from headway.sites.kubernetes.objects.derived import Because, because
from headway.sites.kubernetes.objects.needs import resources
from headway.sites.kubernetes.objects.probes import probes
from headway.sites.kubernetes.objects.quantity import mebibytes
from headway.sites.kubernetes.objects.security import container_security, pod_security
from headway.sites.kubernetes.objects.weights import Way
from headway.spec.revision import Revision

__all__ = ["ENGINE", "Group", "Parts", "grace_seconds", "pod_labels", "pod_spec", "selector", "template"]

ENGINE = "engine"
CLAIM = "gpu"
WHOLE = 600
"""Seconds: the gateway's own limit for a request."""
SETTLE = 15
"""Seconds for the engine itself to end, after its last answer."""
EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """All that was decided of a Revision on a cluster, before it is written down."""

    revision: Revision
    container: Container
    accelerators: Accelerators
    way: Way
    weights: int  # bytes, 0 = not known
    claim_template: str = ""  # of DRA


@dataclass(frozen=True, slots=True)
class Group:
    """How the pods of one Replica find each other: the first one's address, each one's number. `alike`: they have one
    template, and these are set by us (`metadata.…`: of a field of the pod); else they name variables that are there."""

    leader: str
    index: str
    alike: bool = False


def selector(revision: Revision) -> Tree:
    """Of one Revision's pods, and never of the Job that fetches for them."""
    return {labels.COMPONENT: "replica", labels.MODEL: revision.model, labels.REVISION: revision.id}


def pod_labels(revision: Revision) -> Tree:
    return dict(labels.of_model(revision.model, revision.id, revision.variant))


def template(parts: Parts, *, worker: bool = False, group: Group | None = None) -> Tree:
    """`worker`: a pod of a Replica of several that is not the first."""
    local = ",".join(each["name"] for each in _volumes(parts) if "emptyDir" in each)
    evict = because(local, "so that a node's autoscaler may move it: what lies there is made anew")
    return {
        "metadata": {"labels": pod_labels(parts.revision), "annotations": {EVICT: evict}},
        "spec": pod_spec(parts, worker=worker, group=group),
    }


def pod_spec(parts: Parts, *, worker: bool = False, group: Group | None = None) -> Tree:
    revision, way = parts.revision, parts.way
    priority = revision.place.get("priority")
    spec: Tree = {
        "automountServiceAccountToken": because(False, "an engine has no business with the API server"),
        "enableServiceLinks": because(False, "a Service named vllm would set VLLM_PORT, which the engine reads"),
        "terminationGracePeriodSeconds": because(
            grace_seconds(revision), "the longest that a request may take, and a moment: running answers end first"
        ),
        "securityContext": pod_security(parts.container.uid),
        "priorityClassName": because(priority, "as written") if priority else None,
        "affinity": _affinity(parts),
        "tolerations": _tolerations(parts) or None,
        "topologySpreadConstraints": _spread(revision),
        "initContainers": fetch.fetchers(revision, parts.container, way) or None,
        "containers": [_engine(parts, worker=worker, group=group)],
        "resourceClaims": _claims(parts),
        "volumes": _volumes(parts),
    }
    return _over(spec, revision.place.get("pod", {}))


def grace_seconds(revision: Revision) -> int:
    return round(float(revision.place.get("drain", WHOLE))) + drain.NEWS + SETTLE


def _engine(parts: Parts, *, worker: bool, group: Group | None) -> Tree:
    alike = group is not None and group.alike
    container, found = parts.container, parts.accelerators
    hook = drain.hook(container)
    waits = (
        because({"exec": {"command": hook}}, f"until {container.busy} is 0, so that no answer is cut") if hook else None
    )
    image = parts.revision.place.get("image")
    return {
        "name": ENGINE,
        "image": because(image or container.image, "as written" if image else "the release Headway is made for"),
        **_program(container, worker=worker, group=group),
        "env": [*_group_env(group), *fetch.env_of(container.env)],
        "ports": [{"name": "http", "containerPort": container.port}],
        "resources": _resources(parts),
        "lifecycle": {"preStop": waits} if waits else None,
        **({} if worker else probes(container, parts.revision.engine, parts.weights // found.shape.pods, alike=alike)),
        "terminationMessagePolicy": fetch.LAST_WORDS,
        "securityContext": container_security(),
        "volumeMounts": [
            *fetch.mount(parts.revision, parts.way),
            *({"name": _volume_name(each), "mountPath": each} for each in container.writable),
            *([{"name": "shm", "mountPath": "/dev/shm"}] if container.shared_memory_bytes else []),  # noqa: S108
        ],
    }


def _program(container: Container, *, worker: bool, group: Group | None) -> Tree:
    """Where the pods of a Replica have one template, each adds what only it needs by its number."""
    if group is None or not group.alike:
        args = [*container.args, *(container.worker_args if worker else ())]
        named = {LEADER: group.leader, INDEX: group.index} if group else {}
        return {"command": list(container.command), "args": [_named(each, named) for each in args]}
    if not container.worker_args:
        return {"command": list(container.command), "args": list(container.args)}
    by_number = f'if [ "$HEADWAY_INDEX" = 0 ]; then exec "$@"; else exec "$@" {" ".join(container.worker_args)}; fi'
    started = because(["sh", "-c", by_number, "sh"], "the pods of a Replica have one template: the first one answers")
    return {"command": started, "args": [*container.command, *container.args]}


def _named(arg: str, named: Mapping[str, str]) -> str:
    for placeholder, value in named.items():
        arg = arg.replace(placeholder, value)
    return arg


def _group_env(group: Group | None) -> list[Tree]:
    if group is None or not group.alike:
        return []
    named = {LEADER[2:-1]: group.leader, INDEX[2:-1]: group.index}
    return [_from(name, value) for name, value in named.items()]


def _from(name: str, value: str) -> Tree:
    if value.startswith("metadata."):
        return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": value}}}
    return {"name": name, "value": value}


def _resources(parts: Parts) -> Tree:
    found = parts.accelerators
    asked = resources(parts.revision, parts.container, found.shape, parts.weights)
    if found.resource:
        gpus = because(str(found.shape.gpus), found.why)
        return {kind: {**asked[kind], found.resource: gpus} for kind in ("requests", "limits")}
    if found.device_class:
        return {**asked, "claims": [{"name": CLAIM}]}
    return asked


def _claims(parts: Parts) -> list[Tree] | None:
    if not parts.accelerators.device_class:
        return None
    return [{"name": CLAIM, "resourceClaimTemplateName": because(parts.claim_template, parts.accelerators.why)}]


def _volumes(parts: Parts) -> list[Tree]:
    container = parts.container
    found = fetch.volumes(parts.revision, parts.way, container.form)
    found += [{"name": _volume_name(each), "emptyDir": {}} for each in container.writable]
    if container.shared_memory_bytes:
        size = mebibytes(container.shared_memory_bytes)
        shm = {"medium": "Memory", "sizeLimit": size}
        found.append({"name": "shm", "emptyDir": because(shm, "GPUs of a pod talk through it; 64 MB are not enough")})
    return found


def _volume_name(path: str) -> str:
    return path.strip("/").replace("/", "-").replace(".", "-")


def _affinity(parts: Parts) -> Tree | None:
    """Required: GPU and machine kind. Preferred: spot."""
    wanted, found = parts.revision.place.get("spot", ""), parts.accelerators
    of_gpu = [list(each) for each in found.terms] or [[]]
    of_machine = spot.only() if wanted == "only" else [spot.never()] if wanted == "never" else [[]]
    terms = [{"matchExpressions": [*gpu, *machine]} for gpu in of_gpu for machine in of_machine if gpu or machine]
    said = [found.why_nodes, f"cost.spot: {wanted}" if wanted in ("only", "never") else ""]
    node: Tree = {}
    if terms:
        why = "; ".join(filter(None, said))
        node["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": because(terms, why)}
    if wanted == "prefer":
        why = "cost.spot: prefer: spot machines first, others where there is no room"
        node["preferredDuringSchedulingIgnoredDuringExecution"] = because(spot.PREFERRED, why)
    return {"nodeAffinity": node} if node else None


def _tolerations(parts: Parts) -> list[Any]:
    found: list[Any] = []
    if vendor := parts.accelerators.shape.vendor:
        taint = {"key": RESOURCES[vendor], "operator": "Exists", "effect": "NoSchedule"}
        found.append(because(taint, "GPU nodes are usually kept free of others by this taint"))
    if parts.revision.place.get("spot") in ("prefer", "only"):
        found += [because(each, "spot machines are kept free of others by this taint") for each in spot.tolerations()]
    return found


def _spread(revision: Revision) -> list[Any]:
    """Not a must: a cluster of one node serves, too."""
    common = {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": selector(revision)}}
    return [
        because({**common, "topologyKey": "kubernetes.io/hostname"}, "one node's end takes few Replicas with it"),
        because({**common, "topologyKey": "topology.kubernetes.io/zone"}, "nor one zone's"),
    ]


def _over(spec: Tree, written: Mapping[str, Any]) -> Tree:
    """The user's `pod:` laid over: a mapping key by key, a list as a whole."""
    laid = dict(spec)
    for key, value in written.items():
        there = laid.get(key)
        if isinstance(there, Because):
            there = there.value
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            laid[key] = _over(dict(there), value)
        else:
            laid[key] = because(value, "as written: pod")
    return laid

"""All objects that serve one Revision of a Model on a cluster: a pure function of what is written and what is there."""

from __future__ import annotations

from typing import Any

from headway.engines import registry
from headway.engines.container import Container, PodShape
from headway.engines.elsewhere import weights_bytes
from headway.errors import SpecError
from headway.sites.kubernetes import labels
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.objects import fetch
from headway.sites.kubernetes.objects.accelerators import accelerators
from headway.sites.kubernetes.objects.derived import Derived, because, derive
from headway.sites.kubernetes.objects.naming import revision_name
from headway.sites.kubernetes.objects.pod import Parts, pod_labels, selector
from headway.sites.kubernetes.objects.weights import weights_way
from headway.sites.kubernetes.objects.workload import GROUP_SUFFIX, first_pod, workload
from headway.spec.model import Model
from headway.spec.revision import Revision

__all__ = ["parts_of", "replica_objects"]

Tree = dict[str, Any]


def replica_objects(
    model: Model, revision: Revision, facts: Facts, *, namespace: str, replicas: int | None
) -> tuple[Derived, ...]:
    """In the order in which they are applied. `replicas`: None leaves the field to whoever owns it (an HPA, a human).
    Nothing for a Model that somebody else serves. Raises the HeadwayError of what cannot be on any cluster, or not on
    this one."""
    del model  # what all Revisions share is of `model_objects`
    parts = parts_of(revision, facts)
    if parts is None:
        return ()
    cache = fetch.cache_objects(revision, parts.container, parts.way, namespace)
    claims = (_claim_template(parts, namespace),) if parts.claim_template else ()
    groups = (_group_service(parts, namespace),) if _is_group(parts, facts) else ()
    service = _service(parts, facts, namespace)
    return (*cache, *claims, service, *groups, workload(parts, facts, namespace=namespace, replicas=replicas))


def parts_of(revision: Revision, facts: Facts) -> Parts | None:
    """What is decided of a Revision on this cluster, for `plan` and `explain`; None: nothing runs there."""
    engine = registry.get(revision.engine)
    if engine.external(revision) is not None:
        return None
    _check_priority(revision, facts)
    weights = revision.source.size_bytes or weights_bytes(revision.source.uri)
    found = accelerators(revision.engine, revision.gpu, weights, facts)
    shape = found.shape
    container = _container(revision, shape)
    way = weights_way(revision, container, facts)
    if way.kind == "stream":
        container = _container(revision, PodShape(shape.gpus, shape.vendor, shape.share, shape.pods, streams=True))
    template = revision_name(revision) if found.device_class else ""
    return Parts(revision, container, found, way, weights, template)


def _check_priority(revision: Revision, facts: Facts) -> None:
    """A pod that names a class that is not there is never made, and only an event of its ReplicaSet would say so."""
    wanted, there = revision.place.get("priority"), facts.priority_classes
    if wanted and there and wanted not in there:
        known = ", ".join(each for each in there if not each.startswith("system-"))
        instead = f"write one of: {known}" if known else "leave priority out"
        hint = f"make it (headway export FILE --piece priority-classes), or {instead}"
        raise SpecError(f"the cluster has no PriorityClass {wanted}", hint=hint, field="priority")


def _container(revision: Revision, shape: PodShape) -> Container:
    found = registry.get(revision.engine).container(revision, shape)
    assert found is not None  # noqa: S101 - only external engines have none
    return found


def _service(parts: Parts, facts: Facts, namespace: str) -> Derived:
    revision, found = parts.revision, first_pod(parts, facts)
    tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": revision_name(revision),
            "namespace": namespace,
            "labels": because(
                pod_labels(revision), "EndpointSlices take them over: gateways find the Replicas by them"
            ),
        },
        "spec": {
            "clusterIP": because("None", "the gateway chooses among Replicas itself"),
            "ports": [{"name": "http", "port": parts.container.port, "targetPort": "http"}],
            "selector": selector(revision) | found,
        },
    }
    return derive(tree, "The addresses of this Revision's Replicas, for gateways.")


def _is_group(parts: Parts, facts: Facts) -> bool:
    return parts.accelerators.shape.pods > 1 and "apps.kubernetes.io/pod-index" in first_pod(parts, facts)


def _group_service(parts: Parts, namespace: str) -> Derived:
    revision = parts.revision
    tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"{revision_name(revision)}{GROUP_SUFFIX}",
            "namespace": namespace,
            "labels": {labels.MANAGED: "headway"},
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": because(True, "the pods of a Replica meet before they are ready"),
            "ports": [{"name": "http", "port": parts.container.port, "targetPort": "http"}],
            "selector": selector(revision),
        },
    }
    return derive(tree, "Names by which the pods of one Replica find each other.")


def _claim_template(parts: Parts, namespace: str) -> Derived:
    found = parts.accelerators
    exactly: Tree = {
        "deviceClassName": found.device_class,
        "allocationMode": "ExactCount",
        "count": because(found.shape.gpus, found.why),
        "selectors": [{"cel": {"expression": each}} for each in found.selectors] or None,
    }
    tree = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": parts.claim_template, "namespace": namespace, "labels": pod_labels(parts.revision)},
        "spec": {"spec": {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}},
    }
    return derive(tree, "The GPUs of one pod, by Dynamic Resource Allocation.")

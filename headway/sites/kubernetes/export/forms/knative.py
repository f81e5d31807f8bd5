"""`--as knative`: a Knative Service a way, which goes to zero and holds requests by Knative's own activator.

Knative refuses parts of a pod unless its operator has let them in (`config-features`); which these are is said above
each. There is no published schema of it among those that we check against: this form's shape is tested, no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headway.sites.kubernetes.export.load import load_of, target
from headway.sites.kubernetes.export.way import Way, moved, of_one_pod
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["FEATURES", "services"]

FEATURES = {
    "affinity": "kubernetes.podspec-affinity",
    "nodeSelector": "kubernetes.podspec-nodeselector",
    "tolerations": "kubernetes.podspec-tolerations",
    "initContainers": "kubernetes.podspec-init-containers",
    "securityContext": "kubernetes.podspec-securitycontext",
    "priorityClassName": "kubernetes.podspec-priorityclassname",
    "topologySpreadConstraints": "kubernetes.podspec-topologyspreadconstraints",
    "runtimeClassName": "kubernetes.podspec-runtimeclassname",
}
"""Field of a pod -> the feature that lets it in."""
_VOLUMES = {
    "emptyDir": "kubernetes.podspec-volumes-emptydir",
    "persistentVolumeClaim": "kubernetes.podspec-persistent-volume-claim",
    "hostPath": "kubernetes.podspec-volumes-hostpath",
    "image": "kubernetes.podspec-volumes-image",
}
_TAKEN = frozenset({"containers", "volumes", "serviceAccountName", "automountServiceAccountToken", "imagePullSecrets"})
_CONCURRENCY = 100
"""Knative's own target, for engines that tell nothing of their load."""
_LONGEST = 600
"""Seconds for an answer; Knative's largest by default (`max-revision-timeout-seconds`)."""


def services(wish: Wish) -> Iterator[Derived]:
    for way in of_one_pod(wish.ways, "a Knative Service"):
        yield from way.others
        yield _service(way)


def _service(way: Way) -> Derived:
    spec, wanted, dropped = _pod(way)
    replicas = way.model.replicas
    if load_of(way.revision.engine) is None:
        each, why_each = _CONCURRENCY, "Knative's own: the engine tells nothing of its load"
    else:
        each, why_each = target(way.revision)
    annotations = {
        "autoscaling.knative.dev/metric": "concurrency",
        "autoscaling.knative.dev/target": str(each),
        "autoscaling.knative.dev/min-scale": str(replicas.low),
        "autoscaling.knative.dev/max-scale": str(max(1, replicas.high)),
    }
    template = {"metadata": {"labels": way.labels, "annotations": annotations}, "spec": spec}
    manifest = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": way.name, "namespace": way.namespace, "labels": way.labels},
        "spec": {"template": template},
    }
    why = moved({f"/pod{at}": told for at, told in way.pod.why.items()}, "/pod", "/spec/template/spec")
    why["/spec/template/metadata/annotations/autoscaling.knative.dev~1target"] = why_each
    note = f"{way.name} for Knative Serving, which must allow (config-features): {', '.join(wanted)}."
    if dropped:
        note += f" Left out, Knative takes no such field: {', '.join(dropped)}."
    return Derived(manifest, why, note)


def _pod(way: Way) -> tuple[dict[str, Any], list[str], list[str]]:
    """Its spec as Knative takes it, the features that this needs, and the fields that are left out."""
    whole = way.pod.template()["spec"]
    spec = {key: value for key, value in whole.items() if key in _TAKEN or key in FEATURES}
    dropped = sorted(whole.keys() - spec.keys())
    container = spec["containers"][0]
    for part in ("startupProbe", "lifecycle"):
        if container.pop(part, None) is not None:
            dropped.append(f"containers[0].{part}")
    for port in container["ports"]:
        port.pop("protocol", None)
        port["name"] = "http1"  # h2c or http1 are the names that it knows
    wanted = [feature for field, feature in FEATURES.items() if field in spec]
    kinds = {kind for volume in spec.get("volumes", ()) for kind in volume if kind in _VOLUMES}
    wanted += [_VOLUMES[kind] for kind in sorted(kinds)]
    spec |= {"containerConcurrency": 0, "timeoutSeconds": _LONGEST}
    return spec, wanted, dropped

"""How many Replicas, decided by others: an HPA on the engine's own metrics, or KEDA's ScaledObject on Prometheus or on
Headway's own scaler. All three hold the same figure (`load.target`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headway.sites.kubernetes.export.load import METRIC, adapter_rule, load_of, sequences, target
from headway.sites.kubernetes.export.way import Way
from headway.sites.kubernetes.labels import MANAGED, MODEL
from headway.sites.kubernetes.objects.derived import Derived
from headway.spec.model import Model, Replicas
from headway.wire.kube.resource import GROUP, VERSION

__all__ = ["BEHAVIOR", "SCALER", "autoscaler", "external_scaler", "prometheus_scaler", "query"]

SCALER = "headway-operator.{system}.svc:9486"
"""KEDA's external scaler, which the operator serves."""

BEHAVIOR = {
    "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Percent", "value": 100, "periodSeconds": 60}]},
    "scaleDown": {"stabilizationWindowSeconds": 300, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]},
}
_UP = "at most doubled a minute: a Replica takes minutes to load, and must not be asked for twice"
_DOWN = "one at a time after five quiet minutes: what goes takes its prefix cache along"
CPU_SHARE = 80
"""Percent of the requested cores, for an engine that tells nothing of its load."""


def autoscaler(way: Way) -> Iterator[Derived]:
    """`autoscaling/v2`. It never goes below 1: zero needs somebody who holds the requests meanwhile."""
    load = load_of(way.revision.engine)
    least, why_least = _least(way.model.replicas)
    why = {
        "/spec/minReplicas": why_least,
        "/spec/behavior/scaleUp/policies": _UP,
        "/spec/behavior/scaleDown/policies": _DOWN,
    }
    if load is None:
        utilization = {"type": "Utilization", "averageUtilization": CPU_SHARE}
        metric: dict[str, Any] = {"type": "Resource", "resource": {"name": "cpu", "target": utilization}}
        why["/spec/metrics/0"] = f"{way.revision.engine} tells nothing of its queue; its work is all on cores"
        note = f"How many of {way.name}: by its cores, which metrics-server measures."
    else:
        each, why_each = target(way.revision)
        aimed = {"type": "AverageValue", "averageValue": str(each)}
        metric = {"type": "Pods", "pods": {"metric": {"name": METRIC}, "target": aimed}}
        why["/spec/metrics/0/pods/target/averageValue"] = why_each
        rule = "\n".join(f"  {line}" for line in adapter_rule(load).splitlines())
        note = (
            f"How many of {way.name}: by the requests in each, running and waiting. That figure comes from the "
            "engine through Prometheus (--piece monitors scrapes it) and prometheus-adapter, which needs this rule "
            f"among its rules.custom (--piece metrics-adapter prints all of them):\n{rule}"
        )
    manifest = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": way.name, "namespace": way.namespace, "labels": way.labels},
        "spec": {
            "scaleTargetRef": _target(way),
            "minReplicas": least,
            "maxReplicas": way.model.replicas.high,
            "metrics": [metric],
            "behavior": BEHAVIOR,
        },
    }
    yield Derived(manifest, why, note)


def prometheus_scaler(way: Way, address: str) -> Iterator[Derived]:
    """A ScaledObject that asks Prometheus for the engines' metrics."""
    load = load_of(way.revision.engine)
    if load is None:
        yield from autoscaler(way)
        return
    each, why_each = target(way.revision)
    least, why_least = _least(way.model.replicas)
    trigger = {
        "type": "prometheus",
        "metadata": {
            "serverAddress": address,
            "query": query(way),
            "threshold": str(each),
            "ignoreNullValues": "false",
        },
    }
    why = {
        "/spec/minReplicaCount": why_least,
        "/spec/triggers/0/metadata/threshold": why_each,
        "/spec/triggers/0/metadata/query": "requests that run and those that wait: with the queue alone it would go "
        "down to one whenever the Replicas suffice",
        "/spec/triggers/0/metadata/ignoreNullValues": "a series that is gone must not read as an idle 0",
        "/spec/fallback": "while Prometheus does not answer nothing is taken away",
    }
    spec = {
        "minReplicaCount": least,
        "maxReplicaCount": way.model.replicas.high,
        "pollingInterval": 15,
        "cooldownPeriod": 300,
        "fallback": {"failureThreshold": 3, "replicas": least, "behavior": "currentReplicasIfHigher"},
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": BEHAVIOR}},
        "triggers": [trigger],
    }
    note = f"How many of {way.name}: KEDA asks Prometheus, which must scrape the engines (--piece monitors)."
    metadata = {"name": way.name, "namespace": way.namespace, "labels": way.labels}
    yield _scaled(metadata, _target(way), spec, why, note)


def external_scaler(model: Model, ways: Sequence[Way], namespace: str, system: str) -> Derived:
    """A ScaledObject on the Model itself: KEDA writes `spec.scale`, the operator runs so many."""
    replicas = model.replicas
    asked = {"scalerAddress": SCALER.format(system=system), "namespace": namespace, "model": model.name}
    why = {
        "/spec/scaleTargetRef": "the Model, by its /scale: the operator spreads the number over its Variants",
        "/spec/minReplicaCount": "as the file says"
        + (": the gateway holds requests while there is none" if not replicas.low else ""),
        "/spec/triggers/0/metadata/scalerAddress": "the operator: what policy/scaling decides, no Prometheus needed",
    }
    borne = min((sequences(way.revision) for way in ways if load_of(way.revision.engine)), default=None)
    if borne is not None:
        asked["sequences"] = str(borne[0])
        why["/spec/triggers/0/metadata/sequences"] = f"requests that the smallest Replica runs at once: {borne[1]}"
    spec = {
        "minReplicaCount": replicas.low,
        "maxReplicaCount": replicas.high,
        "pollingInterval": 15,
        "cooldownPeriod": 300,
        "triggers": [{"type": "external", "metadata": asked}],
    }
    ref = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Model", "name": model.name}
    metadata = {"name": model.name, "namespace": namespace, "labels": {MANAGED: "headway", MODEL: model.name}}
    note = f"How many of {model.name}: KEDA asks Headway's operator what its scaler decided."
    return _scaled(metadata, ref, spec, why, note)


def query(way: Way) -> str:
    """PromQL: requests in all Replicas of the Way, as `--piece monitors` labels them; 0 while there are none."""
    load = load_of(way.revision.engine)
    assert load is not None  # noqa: S101 - who asks has looked
    found = f'namespace="{way.namespace}",model="{way.model.name}"'
    found += f',variant="{way.variant}"' if way.variant else ""
    return " + ".join(f"(sum({each}{{{found}}}) or vector(0))" for each in load.total)


def _scaled(
    metadata: dict[str, Any], ref: dict[str, str], spec: dict[str, Any], why: dict[str, str], note: str
) -> Derived:
    body = {"scaleTargetRef": ref, **spec}
    return Derived(
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": body}, why, note
    )


def _target(way: Way) -> dict[str, str]:
    workload = way.workload.manifest
    return {"apiVersion": workload["apiVersion"], "kind": workload["kind"], "name": way.name}


def _least(replicas: Replicas) -> tuple[int, str]:
    if replicas.low:
        return replicas.low, "as the file says"
    return 1, "the file says 0, and without Headway's gateway nobody would hold the requests while one starts"

"""What a file asks of a cluster and the cluster does not have: for `doctor FILE --on SITE`. Nothing is started.

Each Model's objects are derived as the operator would, and their pods are held against the nodes as it does to explain
why one waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from headway.cli.examine import Finding
from headway.engines.registry import revise_elsewhere
from headway.errors import HeadwayError
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.objects.replica import replica_objects
from headway.sites.kubernetes.pending import explain
from headway.spec.model import Model
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["asked", "secrets_there"]


async def secrets_there(cluster: Cluster, models: Iterable[Model], namespace: str) -> Mapping[str, bool | None]:
    """By `NAME/KEY` that a Model names: whether it is there; None = who asks may not look."""
    named = {value.removeprefix("secret:") for model in models for value in _env(model) if value.startswith("secret:")}
    found: dict[str, bool | None] = {}
    for each in sorted(named):
        name, _, key = each.partition("/")
        try:
            secret = await cluster.get(resource("Secret"), name, namespace)
        except ApiRefusal as refusal:
            if refusal.status != 403:
                raise
            found[each] = None
            continue
        found[each] = key in ((secret or {}).get("data") or {})
    return found


def asked(
    models: Iterable[Model], facts: Facts, secrets: Mapping[str, bool | None], namespace: str
) -> Iterator[Finding]:
    models = list(models)
    for model in models:
        for variant, way in model.ways.items():
            yield _fits(way, variant, facts, namespace)
    classes = sorted({each.priority for each in models if each.priority})
    for name in classes:
        there = name in facts.priority_classes
        fix = "" if there else f"kubectl create priorityclass {name} --value 1000"
        yield Finding("priority class", "ok" if there else "missing", name, fix)
    for name, seen in secrets.items():
        secret, _, key = name.partition("/")
        fix = f"kubectl -n {namespace} create secret generic {secret} --from-file={key}=FILE"
        if seen is None:
            yield Finding("secret", "note", f"{name}: you may not look", "ask who may")
        else:
            yield Finding("secret", "ok" if seen else "missing", f"{name} in {namespace}", "" if seen else fix)


def _fits(way: Model, variant: str, facts: Facts, namespace: str) -> Finding:
    name = f"{way.name}-{variant}" if variant else way.name
    try:
        revised = revise_elsewhere(way, variant)
        made = replica_objects(way, revised.revision, facts, namespace=namespace, replicas=1)
    except HeadwayError as error:
        return Finding(name, "missing", error.message, error.hint)
    if not made:
        return Finding(name, "ok", "runs elsewhere")
    workload = made[-1].manifest
    waits, pods = explain(_pod(workload), facts, ()), _pods(workload)
    if not waits.fits_now:
        return Finding(name, "missing", waits.message, waits.next_action)
    homes = sum(explain(_pod(workload), replace(facts, nodes=(node,)), ()).fits_now for node in facts.nodes)
    if homes < pods:
        told = f"a Replica is {pods} pods on as many nodes, and {homes} have room for one"
        return Finding(name, "missing", told, "add nodes like them, or ask for fewer GPUs")
    return Finding(name, "ok", "a Replica fits now")


def _pods(workload: Manifest) -> int:
    """Of one Replica."""
    spec: dict[str, Any] = workload["spec"]
    if "leaderWorkerTemplate" in spec:
        return int(spec["leaderWorkerTemplate"]["size"])
    return int(spec.get("replicas", 1)) if workload["kind"] == "StatefulSet" else 1


def _pod(workload: Manifest) -> Manifest:
    spec: dict[str, Any] = workload["spec"]
    template = spec["leaderWorkerTemplate"]["workerTemplate"] if "leaderWorkerTemplate" in spec else spec["template"]
    return {"metadata": {"name": "x", **template.get("metadata", {})}, "spec": template["spec"], "status": {}}


def _env(model: Model) -> Iterator[str]:
    for way in model.ways.values():
        yield from way.env.values()

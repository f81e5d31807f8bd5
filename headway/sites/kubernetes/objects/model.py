"""What all Revisions of a Model share on a cluster: an address, and how many of its Replicas may be away at once."""

from __future__ import annotations

from typing import Any

from headway.engines import registry
from headway.sites.kubernetes import labels
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.objects.derived import Derived, because, derive
from headway.sites.kubernetes.objects.naming import model_name
from headway.spec.model import Model

__all__ = ["model_objects"]

PORT = 80
Tree = dict[str, Any]


def model_objects(model: Model, facts: Facts, *, namespace: str) -> tuple[Derived, ...]:
    """Nothing for a Model that somebody else serves in all its ways."""
    del facts
    engines = [registry.revise_elsewhere(way, name).revision.engine for name, way in model.ways.items()]
    if all(registry.get(each).capabilities.external for each in engines):
        return ()
    return _service(model, namespace), _budget(model, namespace)


def _selector(model: Model) -> Tree:
    return {labels.COMPONENT: "replica", labels.MODEL: model.name}


def _metadata(model: Model, namespace: str) -> Tree:
    return {"name": model_name(model.name), "namespace": namespace, "labels": dict(labels.of_model(model.name))}


def _service(model: Model, namespace: str) -> Derived:
    tree = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(model, namespace),
        "spec": {
            "ports": [{"name": "http", "port": PORT, "targetPort": "http"}],
            "selector": because(_selector(model), "the Replicas of all Revisions"),
        },
    }
    return derive(tree, "One address without the gateway: no keys, no limits, connections and not requests spread.")


def _budget(model: Model, namespace: str) -> Derived:
    tree = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(model, namespace),
        "spec": {
            "maxUnavailable": because(1, "nodes can always be emptied, one Replica at a time"),
            "unhealthyPodEvictionPolicy": because("AlwaysAllow", "a Replica that is not ready holds no node back"),
            "selector": {"matchLabels": _selector(model)},
        },
    }
    return derive(tree, "How many Replicas a drain of nodes may take at once.")

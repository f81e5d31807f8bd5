"""What a pod takes of its node, as the scheduler reckons it: requests, and not what it really uses.

The greater of what its containers need together and what its init containers need one after the other; sidecars (init
containers that are restarted) run beside both (kubernetes.io, "Sidecar containers: resource sharing").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from headway.sites.kubernetes.quantity import amounts
from headway.wire.kube.manifest import Manifest

__all__ = ["is_over", "requests", "taken"]


def is_over(pod: Manifest) -> bool:
    """It ended and takes nothing any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def requests(spec: Mapping[str, Any]) -> dict[str, float]:
    """Of a pod's `spec`, by resource. A request for the whole pod stands in place of its containers'."""
    beside: dict[str, float] = {}
    peak: dict[str, float] = {}
    for each in spec.get("initContainers") or ():
        if each.get("restartPolicy") == "Always":
            beside = _add(beside, _of(each))
            peak = _most(peak, beside)
        else:
            peak = _most(peak, _add(beside, _of(each)))
    for each in spec.get("containers") or ():
        beside = _add(beside, _of(each))
    found = _most(peak, beside) | _of(spec)
    return _add(found, amounts(spec.get("overhead")))


def taken(pods: Iterable[Manifest]) -> dict[str, dict[str, float]]:
    """Node -> resource -> what pods that are bound to it took."""
    found: dict[str, dict[str, float]] = {}
    for pod in pods:
        node = pod["spec"].get("nodeName")
        if node and not is_over(pod):
            found[node] = _add(found.get(node, {}), requests(pod["spec"]))
    return found


def _of(holder: Mapping[str, Any]) -> dict[str, float]:
    """A limit without a request is the request."""
    said = holder.get("resources") or {}
    return amounts(said.get("limits")) | amounts(said.get("requests"))


def _add(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in one.keys() | other.keys()}


def _most(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in one.keys() | other.keys()}

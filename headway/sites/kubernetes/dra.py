"""The GPUs that a cluster offers by Dynamic Resource Allocation (`resource.k8s.io/v1`): ResourceSlices list a node's
devices, ResourceClaims say which of them are taken.

A device that is cut from another's counters (a MIG slice that could be made) is no GPU besides it: only whole ones and
slices that are there count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headway.sites.kubernetes.facts import Gpus
from headway.sites.kubernetes.products import known_as, memory_of
from headway.sites.kubernetes.quantity import amount
from headway.wire.kube.manifest import Manifest

__all__ = ["claimed", "devices_of"]

Device = tuple[str, str, str]
"""Driver, pool, name: what a claim's allocation says."""


def claimed(claims: Iterable[Manifest]) -> set[Device]:
    """The devices that some claim holds."""
    found = set()
    for claim in claims:
        allocation = (claim.get("status") or {}).get("allocation") or {}
        for each in (allocation.get("devices") or {}).get("results") or ():
            found.add((each["driver"], each["pool"], each["device"]))
    return found


def devices_of(slices: Iterable[Manifest], taken: set[Device], classes: Sequence[Manifest]) -> dict[str, list[Gpus]]:
    """Node -> its GPUs, by device class. Network cards and other devices without a product's name are passed over."""
    counts: dict[tuple[str, str, str, int], list[int]] = defaultdict(lambda: [0, 0])
    for spec in _newest(slices):
        node = spec.get("nodeName") or ""
        for device in spec.get("devices") or ():
            if not (kind := _kind(spec["driver"], device, classes)):
                continue
            of = counts[(node or device.get("nodeName", ""), *kind)]
            of[0] += 1
            of[1] += (spec["driver"], spec["pool"]["name"], device["name"]) not in taken
    found: dict[str, list[Gpus]] = defaultdict(list)
    for (node, resource, product, memory), (count, free) in sorted(counts.items()):
        found[node].append(Gpus(resource, count, free, product, memory, dra=True))
    return dict(found)


def _newest(slices: Iterable[Manifest]) -> list[Mapping[str, Any]]:
    """Those of the newest generation of each pool: older ones are about to go (API of ResourceSlice, `spec.pool`)."""
    specs = [each["spec"] for each in slices]
    newest: dict[tuple[str, str], int] = {}
    for spec in specs:
        pool = spec["driver"], spec["pool"]["name"]
        newest[pool] = max(newest.get(pool, 0), spec["pool"].get("generation", 0))
    return [each for each in specs if each["pool"].get("generation", 0) == newest[each["driver"], each["pool"]["name"]]]


def _kind(driver: str, device: Mapping[str, Any], classes: Sequence[Manifest]) -> tuple[str, str, int] | None:
    said = {name: next(iter(value.values()), "") for name, value in (device.get("attributes") or {}).items()}
    product = str(said.get("productName", ""))
    kind, profile = str(said.get("type", "gpu")), str(said.get("profile", ""))
    if not product or (kind != "gpu" and device.get("consumesCounters")):
        return None
    named = known_as(product.replace(" ", "-"), profile)
    memory = (device.get("capacity") or {}).get("memory") or {}
    return _class(driver, kind, classes), named, int(amount(memory.get("value", "0"))) or memory_of(named)


def _class(driver: str, kind: str, classes: Sequence[Manifest]) -> str:
    """The class whose selectors speak of this driver, and of slices where it is one; else named as the driver."""
    told: dict[str, str] = {
        each["metadata"]["name"]: " ".join(
            (chosen.get("cel") or {}).get("expression", "") for chosen in each["spec"].get("selectors") or ()
        )
        for each in classes
    }
    of_driver = [name for name, text in told.items() if driver in text]
    of_kind = [name for name in of_driver if f"'{kind}'" in told[name] or f'"{kind}"' in told[name]]
    return min([*(of_kind or of_driver), *([] if of_driver else [driver])])

"""Facts of a cluster -> the Inventory of a Site: the sum of its nodes, each GPU or slice of one on its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from headway.sites.base import Accelerator, Inventory
from headway.sites.kubernetes.facts import Facts, Gpus, NodeFacts

__all__ = ["inventory_of", "offered"]


def inventory_of(facts: Facts) -> Inventory:
    """Of nodes that are ready and take pods. What is free is what no pod asked for: whole GPUs or none."""
    there = [each for each in facts.nodes if each.ready and each.schedulable]
    return Inventory(
        cores=int(sum(each.cpu for each in there)),
        memory_bytes=sum(each.memory_bytes for each in there),
        free_memory_bytes=sum(each.free_memory_bytes for each in there),
        accelerators=tuple(one for node in there for gpus in offered(node) for one in _each(node, gpus)),
        notes=tuple(_notes(facts)),
    )


def offered(node: NodeFacts) -> list[Gpus]:
    """What a device plugin offers; else what a DRA driver does. Both of them list the same silicon."""
    return [each for each in node.gpus if not each.dra] or list(node.gpus)


def _each(node: NodeFacts, gpus: Gpus) -> Iterator[Accelerator]:
    product, _, profile = gpus.product.partition("/")
    for number in range(gpus.count):
        yield Accelerator(
            uuid=f"{node.name}/{gpus.resource}/{number}",
            product=product,
            memory_bytes=gpus.memory_bytes,
            free_bytes=gpus.memory_bytes if number < gpus.free else 0,
            profile=f"mig-{profile}" if profile else "",
        )


def _notes(facts: Facts) -> Iterator[str]:
    for node in facts.nodes:
        if not node.ready:
            yield f"node {node.name} is not ready"
        elif not node.schedulable:
            yield f"node {node.name} takes no pods (cordoned)"
        for gpus in node.gpus:
            if gpus.shares > 1:
                what = gpus.product or gpus.resource
                yield f"node {node.name}: each {what} is shared by {gpus.shares}, memory and all"
            if not gpus.product:
                yield f"node {node.name} has {gpus.count} x {gpus.resource}; no label says which product"

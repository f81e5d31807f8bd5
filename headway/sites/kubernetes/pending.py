"""Why no node takes a pod, from the whole cluster's inventory: what it needs, who has it, what is free, when it frees,
and what would do instead. Pure.

The scheduler counts nodes by what kept it from each ("0/9 nodes are available: 3 Insufficient nvidia.com/gpu, ..."); a
person wants to know which GPUs those are and who holds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headway.policy.decision import Reason
from headway.sites.kubernetes.devices import is_accelerator
from headway.sites.kubernetes.facts import Facts, Gpus, NodeFacts
from headway.sites.kubernetes.labels import MODEL
from headway.sites.kubernetes.node_fit import above, expressions, matches, untolerated
from headway.sites.kubernetes.pods import seen
from headway.sites.kubernetes.requests import is_over, requests
from headway.wire.kube.manifest import Manifest, labels

__all__ = ["Pending", "explain"]

MIB = 1 << 20
MEMORY_LABEL = "nvidia.com/gpu.memory"  # MiB
PRODUCT_LABEL = "nvidia.com/gpu.product"
_POOLS = (
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
    "karpenter.sh/nodepool",
)
NAMED = 3
"""Holders, nodes and taints that are named; of more their number."""


@dataclass(frozen=True, slots=True)
class Pending:
    """`fits_now`: a node has all it needs free; the scheduler has only not come to it yet. `hopeless`: no node would do
    even if all were empty, and nothing is known to bring others."""

    reason: Reason
    message: str
    next_action: str = ""
    fits_now: bool = False
    hopeless: bool = False


@dataclass(frozen=True, slots=True)
class _Need:
    """`memory_bytes`: of one GPU, 0 = any. `half_bytes`: what would do with weights of 8 bits; 0 = not known."""

    spec: Mapping[str, Any]
    resource: str
    count: int
    cpu: float
    ram: float
    memory_bytes: int
    half_bytes: int

    def __str__(self) -> str:
        if not self.resource:
            return f"needs {self.cpu:g} cores and {_size(self.ram)} of memory"
        products = _products(self.spec)
        of = f" of {' or '.join(products)}" if 0 < len(products) <= NAMED else ""
        return f"needs {self.count} x {self.resource}{of}" + (
            f" with {_size(self.memory_bytes)}" if self.memory_bytes else ""
        )


def explain(pod: Manifest, facts: Facts, pods: Iterable[Manifest], *, weights_bytes: int = 0) -> Pending:
    """`pods`: of all namespaces, bound ones hold what this one waits for. `weights_bytes`: of its model with 16 bits; 0
    = not known, or fewer bits already."""
    need = _need(pod, weights_bytes)
    told = seen(pod)
    if pod["spec"].get("schedulingGates") or not facts.nodes:
        return Pending(told.reason, told.message, told.next_action)
    may = [each for each in facts.nodes if matches(need.spec, each) and _offers(need, each)]
    if not may:
        return _unless_it_grows(_nobody(need, facts), facts)
    open_to = [each for each in may if each.ready and each.schedulable and not untolerated(need.spec, each)]
    if not open_to:
        return Pending(Reason.UNSCHEDULABLE, f"{need}; {_count(may)} it, {_shut(need, may)}", "open or repair a node")
    free = [each for each in open_to if not need.resource or _free(need, each) >= need.count]
    if not free:
        return _all_taken(need, facts, open_to, pods)
    for each in free:
        if each.free_cpu >= need.cpu and each.free_memory_bytes >= need.ram:
            message = f"{need}; {each.name} has that free"
            words = "" if told.reason is Reason.PREPARING else f"; the scheduler says: {told.message}"
            return Pending(told.reason, message + words, fits_now=True)
    return _no_cores(need, free)


def _products(spec: Mapping[str, Any]) -> list[str]:
    """Those that its node affinity names."""
    named = (each for each in expressions(spec) if each["key"] == PRODUCT_LABEL and each["operator"] == "In")
    return list(dict.fromkeys(value for each in named for value in each["values"]))


def _need(pod: Manifest, weights_bytes: int) -> _Need:
    asked = requests(pod["spec"])
    gpu = next((name for name in sorted(asked) if is_accelerator(name) and asked[name]), "")
    floor = above(pod["spec"], MEMORY_LABEL)
    memory = 0 if floor is None or not gpu else floor * MIB + 1
    count = int(asked.get(gpu, 0))
    half = memory - weights_bytes // 2 // max(1, count) if memory and weights_bytes else 0
    return _Need(pod["spec"], gpu, count, asked.get("cpu", 0.0), asked.get("memory", 0.0), memory, max(0, half))


def _offers(need: _Need, node: NodeFacts) -> bool:
    """If it were empty."""
    if node.cpu < need.cpu or node.memory_bytes < need.ram:
        return False
    return not need.resource or any(each.resource == need.resource and each.count >= need.count for each in node.gpus)


def _free(need: _Need, node: NodeFacts) -> int:
    return sum(each.free for each in node.gpus if each.resource == need.resource)


def _unless_it_grows(found: Pending, facts: Facts) -> Pending:
    """Clouds add nodes to their pools when pods wait; nobody can see here whether this one does."""
    pools = any(label in node.labels for node in facts.nodes for label in _POOLS)
    if not pools and not facts.has("karpenter.sh"):
        return replace(found, hopeless=True)
    return replace(found, next_action=f"wait if an autoscaler brings such nodes; else {found.next_action}")


def _nobody(need: _Need, facts: Facts) -> Pending:
    """No node would do even if all were empty."""
    if not need.resource:
        most = max(facts.nodes, key=lambda each: (each.cpu, each.memory_bytes))
        message = f"{need}; the largest node has {most.cpu:g} cores and {_size(most.memory_bytes)}"
        return Pending(Reason.NOT_ENOUGH_MEMORY, message, "write less `cpu:` or `memory:`, or add a larger node")
    there = [gpus for each in facts.nodes for gpus in each.gpus if gpus.resource == need.resource and gpus.count]
    if not there:
        others = sorted({gpus.resource for each in facts.nodes for gpus in each.gpus if gpus.count})
        has = f"the cluster has {', '.join(others)}" if others else "the cluster has no GPU that its nodes tell of"
        return Pending(Reason.NO_SUCH_GPU, f"{need}; no node has {need.resource}; {has}", _add(need, others))
    most_each = max(each.count for each in there)
    if most_each < need.count and not _products(need.spec):
        message = f"{need} on one node; the most that one has is {most_each}"
        return Pending(Reason.NO_SUCH_GPU, message, f"ask for {most_each} GPUs a replica, or add a larger node")
    largest = max(each.memory_bytes for each in there)
    if need.memory_bytes and largest < need.memory_bytes:
        message = f"{need}; the largest here has {_size(largest)}"
        return Pending(Reason.NOT_ENOUGH_MEMORY, message, _accept(need, largest) or "add a node with a larger GPU")
    kinds = sorted({_name(each) for each in there})
    message = f"{need}; no node has that: the cluster has {', '.join(kinds[:NAMED])}"
    return Pending(Reason.NO_SUCH_GPU, message, "change `gpu:`, or add such a node")


def _all_taken(need: _Need, facts: Facts, having: Sequence[NodeFacts], pods: Iterable[Manifest]) -> Pending:
    """Of those that have it nobody has enough free."""
    holders = _holders(need, {each.name for each in having}, pods)
    left = max((_free(need, each) for each in having), default=0)
    parts = [str(need), f"{_count(having)} it, " + (f"at most {left} free on one" if left else "all taken")]
    spare = max((gpus for each in facts.nodes for gpus in _spare(each)), key=lambda one: one.memory_bytes, default=None)
    if spare is not None and spare.memory_bytes and spare.memory_bytes < need.memory_bytes:
        parts.append(f"largest free is {_size(spare.memory_bytes)}" + (f" ({spare.product})" if spare.product else ""))
    if frees := _frees(holders):
        parts.append(frees)
    action = _accept(need, spare.memory_bytes) if spare is not None else ""
    return Pending(Reason.NO_FREE_GPU, "; ".join(parts), action or "wait, add a node, or scale something down")


def _spare(node: NodeFacts) -> list[Gpus]:
    return [each for each in node.gpus if each.free and node.ready and node.schedulable and not each.dra]


def _holders(need: _Need, nodes: set[str], pods: Iterable[Manifest]) -> Counter[tuple[str, str]]:
    """(kind, name) -> how many of it they hold on those nodes."""
    found: Counter[tuple[str, str]] = Counter()
    for pod in pods:
        if pod["spec"].get("nodeName") in nodes and not is_over(pod):
            held = int(requests(pod["spec"]).get(need.resource, 0))
            if held:
                found[_holder(pod)] += held
    return found


def _holder(pod: Manifest) -> tuple[str, str]:
    """As people know it: a Model, a Job, or whatever owns the pod."""
    metadata = pod["metadata"]
    if model := labels(pod).get(MODEL):
        return "Model", f"{metadata['namespace']}/{model}"
    owner = next(iter(metadata.get("ownerReferences") or ()), None)
    if owner is None:
        return "Pod", f"{metadata['namespace']}/{metadata['name']}"
    if owner["kind"] == "ReplicaSet":
        return "Deployment", f"{metadata['namespace']}/{owner['name'].rpartition('-')[0] or owner['name']}"
    return owner["kind"], f"{metadata['namespace']}/{owner['name']}"


def _frees(holders: Counter[tuple[str, str]]) -> str:
    jobs = [name for kind, name in holders if kind == "Job"]
    if jobs:
        more = f" or {len(jobs) - NAMED} others" if len(jobs) > NAMED else ""
        return f"frees when Job {' or '.join(sorted(jobs)[:NAMED])}{more} ends"
    named = [f"{kind} {name} ({count})" for (kind, name), count in holders.most_common(NAMED)]
    more = f" and {len(holders) - NAMED} others" if len(holders) > NAMED else ""
    return f"held by {', '.join(named)}{more}" if named else ""


def _accept(need: _Need, memory: int) -> str:
    """Weights of 8 bits take half the room of 16."""
    if need.half_bytes and memory and need.half_bytes <= memory < need.memory_bytes:
        return f"or accept {_size(memory)} with fp8"
    return ""


def _add(need: _Need, others: Sequence[str]) -> str:
    slices = [each.rpartition("/")[2] for each in others if "/mig-" in each]
    if slices:
        return f"write gpu: {slices[0]}, or add a node that has {need.resource}"
    return f"add a node that has {need.resource} and its device plugin"


def _shut(need: _Need, nodes: Sequence[NodeFacts]) -> str:
    """Why each of those may not be used now."""
    why: Counter[str] = Counter()
    for each in nodes:
        taints = untolerated(need.spec, each)
        why["not ready" if not each.ready else "cordoned" if not each.schedulable else f"tainted {taints[0]}"] += 1
    return ", ".join(f"{count} {text}" for text, count in why.most_common(NAMED))


def _no_cores(need: _Need, nodes: Sequence[NodeFacts]) -> Pending:
    best = max(nodes, key=lambda each: (each.free_cpu, each.free_memory_bytes))
    free = f"{best.free_cpu:g} cores and {_size(best.free_memory_bytes)} of memory"
    gpu = f"{need}, which is free; " if need.resource else ""
    message = f"{gpu}needs {need.cpu:g} cores and {_size(need.ram)} of memory beside it" if gpu else str(need)
    lacks_memory = best.free_cpu >= need.cpu
    return Pending(
        Reason.NOT_ENOUGH_MEMORY if lacks_memory else Reason.UNSCHEDULABLE,
        f"{message}; the most that a node has free is {free} ({best.name})",
        "write less `cpu:` or `memory:`, or scale something down",
    )


def _count(nodes: Sequence[NodeFacts]) -> str:
    return "1 node has" if len(nodes) == 1 else f"{len(nodes)} nodes have"


def _name(gpus: Gpus) -> str:
    return f"{gpus.product or gpus.resource}" + (f" ({_size(gpus.memory_bytes)})" if gpus.memory_bytes else "")


def _size(count: float) -> str:
    """In the unit of `gpu: 24GB..`."""
    return f"{count / 1e9:.0f}GB" if count >= 1e9 else f"{count / 1e6:.0f}MB"

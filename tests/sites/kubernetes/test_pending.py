"""Why no node takes a pod: each cause has its own sentence, with who holds what and what would do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.policy.decision import Reason
from headway.sites.kubernetes.facts import Facts, Gpus, NodeFacts
from headway.sites.kubernetes.node_fit import matches, untolerated
from headway.sites.kubernetes.pending import explain
from headway.wire.kube.manifest import Manifest

GB = 10**9
MEMORY = "nvidia.com/gpu.memory"


def gpus(count: int = 4, free: int = 0, memory: int = 80, resource: str = "nvidia.com/gpu", product: str = "") -> Gpus:
    return Gpus(resource, count, free, product, memory * GB)


def node(name: str, *found: Gpus, **more: Any) -> NodeFacts:
    memory = max(((each.memory_bytes >> 20) + 1 for each in found), default=0)
    labels = {MEMORY: str(memory)} if memory else {}
    room = {"cpu": 32.0, "free_cpu": 32.0, "memory_bytes": 256 * GB, "free_memory_bytes": 256 * GB}
    return NodeFacts(name, gpus=found, **({"labels": labels} | room | more))


def pod(gpu: str = "1", memory: int = 0, resource: str = "nvidia.com/gpu", **spec: Any) -> Manifest:
    """`memory`: GB that its node's GPUs must have, as the derived affinity says it."""
    resources = {"requests": {"cpu": "4", "memory": "16Gi"}, "limits": {resource: gpu} if gpu != "0" else {}}
    said: dict[str, Any] = {"containers": [{"name": "engine", "resources": resources}]}
    if memory:
        floor = {"key": MEMORY, "operator": "Gt", "values": [str((memory * GB - 1) >> 20)]}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [floor]}]}
        said["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    metadata = {"name": "chat-1", "namespace": "team", "labels": {}}
    return {"metadata": metadata, "spec": said | spec, "status": {"phase": "Pending", "conditions": [waits]}}


def holder(node: str, kind: str, name: str, count: int = 1, **labels: str) -> Manifest:
    limits = {"nvidia.com/gpu": str(count)}
    owner = {"kind": kind, "name": name}
    return {
        "metadata": {"name": f"{name}-x", "namespace": "team", "labels": labels, "ownerReferences": [owner]},
        "spec": {"nodeName": node, "containers": [{"name": "one", "resources": {"limits": limits}}]},
        "status": {"phase": "Running"},
    }


def test_the_sentence_of_the_design() -> None:
    nodes = [node(f"big-{number}", gpus(1)) for number in range(3)] + [node("small", gpus(2, 1, 40))]
    held = [holder(f"big-{number}", "Job", "training") for number in range(3)]
    found = explain(pod(memory=80), Facts(nodes=tuple(nodes)), held, weights_bytes=140 * GB)
    assert found.message == (
        "needs 1 x nvidia.com/gpu with 80GB; 3 nodes have it, all taken; largest free is 40GB; "
        "frees when Job team/training ends"
    )
    assert found.next_action == "or accept 40GB with fp8"
    assert found.reason is Reason.NO_FREE_GPU
    assert not found.fits_now


def test_fewer_bits_are_only_advised_where_they_would_fit() -> None:
    facts = Facts(nodes=(node("big", gpus(1)), node("small", gpus(2, 1, 24))))
    found = explain(pod(memory=80), facts, [], weights_bytes=60 * GB)
    assert "fp8" not in found.next_action


def test_who_holds_it_is_named_as_people_know_it() -> None:
    held = [
        holder("a", "ReplicaSet", "web-7f9c", 2),
        holder("a", "ReplicaSet", "chat-5c-8d", 1, **{"headway.dev/model": "chat"}),
    ]
    told = explain(pod(), Facts(nodes=(node("a", gpus(3)),)), held).message
    assert "held by Deployment team/web (2), Model team/chat (1)" in told


@pytest.mark.parametrize(
    ("asked", "nodes", "reason", "words"),
    [
        (pod(), [node("a")], Reason.NO_SUCH_GPU, "no node has nvidia.com/gpu; the cluster has no GPU"),
        (
            pod(),
            [node("a", gpus(7, 7, 10, "nvidia.com/mig-1g.10gb"))],
            Reason.NO_SUCH_GPU,
            "the cluster has nvidia.com/mig-1g.10gb",
        ),
        (pod("8"), [node("a", gpus(4, 4))], Reason.NO_SUCH_GPU, "on one node; the most that one has is 4"),
        (pod(memory=80), [node("a", gpus(4, 4, 24))], Reason.NOT_ENOUGH_MEMORY, "the largest here has 24GB"),
        (pod(), [node("a", gpus(4, 4), schedulable=False)], Reason.UNSCHEDULABLE, "1 node has it, 1 cordoned"),
        (
            pod(),
            [node("a", gpus(4, 4), taints=(("spot", "true", "NoSchedule"),))],
            Reason.UNSCHEDULABLE,
            "1 tainted spot=true:NoSchedule",
        ),
        (pod(), [node("a", gpus(4, 4), free_cpu=1.0)], Reason.UNSCHEDULABLE, "which is free; needs 4 cores"),
        (pod("0"), [node("a", cpu=2.0)], Reason.NOT_ENOUGH_MEMORY, "the largest node has 2 cores"),
        (pod("2"), [node("a", gpus(4, 1))], Reason.NO_FREE_GPU, "at most 1 free on one"),
    ],
)
def test_each_cause_has_its_sentence(asked: Manifest, nodes: list[NodeFacts], reason: Reason, words: str) -> None:
    found = explain(asked, Facts(nodes=tuple(nodes)), [])
    assert found.reason is reason
    assert words in found.message
    assert found.next_action


def test_nothing_is_hopeless_where_nodes_may_come() -> None:
    assert explain(pod(), Facts(nodes=(node("a"),)), []).hopeless
    pool = node("a", labels={"eks.amazonaws.com/nodegroup": "cores"})
    found = explain(pod(), Facts(nodes=(pool,)), [])
    assert not found.hopeless
    assert found.next_action.startswith("wait if an autoscaler brings such nodes; else add a node")


def test_what_fits_now_is_only_late() -> None:
    found = explain(pod(memory=80), Facts(nodes=(node("a", gpus(1)), node("b", gpus(1, 1)))), [])
    assert found.fits_now
    assert "b has that free" in found.message


def test_a_gate_is_told_as_it_is() -> None:
    gated = pod(schedulingGates=[{"name": "kueue.x-k8s.io/admission"}])
    assert "held by kueue.x-k8s.io/admission" in explain(gated, Facts(nodes=(node("a", gpus(1, 1)),)), []).message


@given(
    free=st.lists(st.integers(0, 4), min_size=1, max_size=5),
    wanted=st.integers(1, 4),
    memory=st.sampled_from([0, 24, 80]),
)
def test_it_fits_exactly_where_a_node_has_as_many_free(free: list[int], wanted: int, memory: int) -> None:
    facts = Facts(nodes=tuple(node(f"n{number}", gpus(4, count, 80)) for number, count in enumerate(free)))
    assert explain(pod(str(wanted), memory), facts, []).fits_now == (max(free) >= wanted)


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("In", ["a", "b"], True),
        ("NotIn", ["a"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["1"], False),
    ],
)
def test_expressions_hold_as_the_scheduler_reads_them(operator: str, values: list[str], holds: bool) -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": operator, "values": values}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    assert matches({"affinity": {"nodeAffinity": required}}, NodeFacts("n", labels={"zone": "a"})) is holds


def test_a_toleration_needs_key_and_value_or_that_it_exists() -> None:
    tainted = NodeFacts("n", taints=(("gpu", "yes", "NoSchedule"), ("soft", "", "PreferNoSchedule")))
    assert untolerated({}, tainted) == ["gpu=yes:NoSchedule"]
    for toleration in ({"operator": "Exists"}, {"key": "gpu", "value": "yes"}, {"key": "gpu", "operator": "Exists"}):
        assert untolerated({"tolerations": [toleration]}, tainted) == []
    assert untolerated({"tolerations": [{"key": "gpu", "value": "no"}]}, tainted) == ["gpu=yes:NoSchedule"]

"""`headway doctor FILE --on SITE`, from what was read of a cluster to what is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headway.cli.examine import Finding
from headway.cli.examine_cluster import Looked, findings
from headway.cli.examine_wish import asked
from headway.sites.kubernetes.facts import Facts, Gpus, NodeFacts, StorageClass
from headway.spec.check import from_json

GB = 10**9
LABELS = {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}
NODE = NodeFacts("a", cpu=32, free_cpu=30, memory_bytes=128 * GB, free_memory_bytes=100 * GB)
GPU = replace(NODE, name="g", gpus=(Gpus("nvidia.com/gpu", 4, 4, "L4", 24 * GB),), labels=LABELS)
FACTS = Facts(version=(1, 36), groups=frozenset({"apps/v1", "kueue.x-k8s.io/v1beta2"}), nodes=(NODE,))
PART = {
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": "headway:1"}]}}},
    "status": {"availableReplicas": 1},
}


def _looked(facts: Facts = FACTS, **changes: Any) -> dict[str, Finding]:
    looked = Looked(facts, ("Model",), {"operator": PART, "gateway": PART}, "restricted", "team", " --on prod")
    return {each.name: each for each in findings(replace(looked, **changes))}


def test_a_bare_cluster_lacks_nothing_that_is_needed() -> None:
    found = _looked()
    assert not [each for each in found.values() if each.state == "missing"]
    assert found["gpu"].state == "note"
    assert found["Kueue"].state == "ok"
    assert (found["KEDA"].state, "HPAs do without" in found["KEDA"].found) == ("note", True)
    assert found["operator"].found == "1 of 1 ready, headway:1"


def test_what_is_missing_comes_with_the_command_that_mends_it() -> None:
    assert _looked(kinds=())["headway"] == Finding("headway", "missing", "not installed", "headway install --on prod")
    assert _looked(replace(FACTS, version=(1, 28)))["kubernetes"].state == "missing"
    assert _looked(level="")["pod security"].fix.startswith("kubectl label namespace team")
    dead = {"operator": PART | {"status": {}}, "gateway": None}
    assert [(_looked(parts=dead)[each].state) for each in ("operator", "gateway")] == ["missing", "missing"]
    assert _looked(replace(FACTS, nodes=(replace(NODE, ready=False),)))["nodes"].state == "missing"


def test_gpus_that_no_pod_can_ask_for_are_found_by_their_labels() -> None:
    hidden = replace(NODE, name="g", labels={"feature.node.kubernetes.io/pci-10de.present": "true"})
    assert _looked(replace(FACTS, nodes=(hidden,)))["device plugin"].state == "missing"
    told = _looked(replace(FACTS, nodes=(GPU, replace(GPU, name="h"))))
    assert told["gpu"].found == "8 x L4 of 24 GB (nvidia.com/gpu) on 2 nodes, 8 free"
    assert "device plugin" not in told
    unlabelled = replace(GPU, gpus=(Gpus("nvidia.com/gpu", 4, 4),))
    assert _looked(replace(FACTS, nodes=(unlabelled,)))["gpu labels"].state == "note"


def test_storage_classes_say_what_they_can_give() -> None:
    classes = (
        StorageClass("disk", "ebs.csi.aws.com", default=True),
        StorageClass("files", "efs.csi.aws.com", shared=True),
    )
    looked = Looked(replace(FACTS, storage=classes), ("Model",), {}, "restricted", "team", "")
    told = [each.found for each in findings(looked) if each.name == "storage class"]
    assert told == [
        "disk, the default: ebs.csi.aws.com, one node at a time (ReadWriteOnce)",
        "files: efs.csi.aws.com, one node or many (ReadWriteMany)",
    ]


def _asked(facts: Facts, secrets: dict[str, bool | None] | None = None, **written: Any) -> dict[str, Finding]:
    model = from_json({"name": "chat", "source": "hf://org/name", "engine": "vllm"} | written)
    return {each.name: each for each in asked([model], facts, secrets or {}, "team")}


def test_a_file_is_held_against_the_nodes() -> None:
    facts = replace(FACTS, nodes=(NODE, GPU))
    assert _asked(facts, gpu="L4")["chat"].state == "ok"
    lacks = _asked(facts, gpu="H100")["chat"]
    assert lacks.state == "missing"
    assert "H100" in lacks.found
    assert lacks.fix
    assert _asked(facts, gpu="L4:8")["chat"].state == "missing"
    external = _asked(facts, source="openai://gpt-4o-mini", engine=None)["chat"]
    assert (external.state, external.found) == ("ok", "runs elsewhere")


def test_what_a_file_names_is_there_or_told() -> None:
    facts = replace(FACTS, nodes=(GPU,))
    lacks = _asked(facts, gpu="L4", priority="production")["priority class"]
    assert lacks.fix.startswith("kubectl create priorityclass")
    told = _asked(facts, {"hf/token": False, "s3/key": True, "x/y": None}, gpu="L4")
    assert told["secret"].state == "note"  # the last of them
    there = list(asked([], facts, {"hf/token": False}, "team"))
    assert there == [
        Finding(
            "secret", "missing", "hf/token in team", "kubectl -n team create secret generic hf --from-file=token=FILE"
        )
    ]


@pytest.mark.parametrize("state", ["ok", "note", "missing"])
def test_every_state_has_a_colour(state: str) -> None:
    from headway.cli.doctor import COLOURS  # noqa: PLC0415

    assert state in COLOURS

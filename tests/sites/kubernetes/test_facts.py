"""Nodes, pods, slices and claims as a cluster has them -> Facts. The labels are those that real labellers write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.perf.catalog.accelerators import accelerators, aliases
from headway.sites.kubernetes.devices import gpus_of
from headway.sites.kubernetes.facts import Gpus, StorageClass
from headway.sites.kubernetes.nodes import is_spot, node_facts
from headway.sites.kubernetes.observe import Served, facts_from
from headway.sites.kubernetes.products import known_as
from headway.sites.kubernetes.quantity import amount
from headway.sites.kubernetes.requests import requests, taken
from headway.sites.kubernetes.stock import inventory_of
from headway.sites.kubernetes.storage import storage_class

API = Served((1, 36), frozenset({"apps/v1", "kueue.x-k8s.io/v1beta2"}))
GB = 10**9
MIB = 1 << 20


@pytest.mark.parametrize(
    ("written", "number"),
    [("2", 2), ("500m", 0.5), ("32Gi", 32 << 30), ("1e3", 1000), ("1.5k", 1500), ("129M", 129e6), ("64Ki", 65536),
     ("100u", 1e-4), ("5n", 5e-9), ("-1", -1), (".5", 0.5), (3, 3), ("1E2", 100), ("2E", 2e18), ("12 Gi", 0), ("", 0),
     ("many", 0), ("1e9999", 0)],
)  # fmt: skip
def test_a_quantity(written: str | float, number: float) -> None:
    assert amount(written) == pytest.approx(number)


@given(st.integers(0, 2**50), st.sampled_from(["", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_larger_count_is_never_less(count: int, suffix: str) -> None:
    assert amount(f"{count}{suffix}") <= amount(f"{count + 1}{suffix}")


@given(st.text(max_size=20))
def test_any_text_is_some_amount(text: str) -> None:
    assert isinstance(amount(text), float)


@pytest.mark.parametrize(
    ("label", "profile", "product"),
    [
        ("NVIDIA-H100-80GB-HBM3", "", "H100-SXM"),
        ("NVIDIA-H100-80GB-HBM3-SHARED", "", "H100-SXM"),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", "", "H100-SXM/1g.10gb"),
        ("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb-SHARED", "", "H100-SXM/1g.10gb"),
        ("NVIDIA-A100-SXM4-80GB", "3g.40gb", "A100-80-SXM/3g.40gb"),
        ("NVIDIA-L4", "", "L4"),
        ("Tesla-T4", "", "T4"),
        ("nvidia-h100-80gb", "", "H100-SXM"),
        ("nvidia-tesla-a100", "1g.5gb", "A100-40-SXM/1g.5gb"),
        ("tpu-v6e-slice", "", "TPU-v6e"),
        ("AMD_Instinct_MI300X_OAM", "", "MI300X"),
        ("l40s", "", "L40S"),
        ("a10g", "", "A10G"),
        ("Banana-9000", "", "Banana-9000"),
        ("Banana-9000", "1g.10gb", "Banana-9000/1g.10gb"),
    ],
)
def test_a_label_means_a_product_of_the_catalogue(label: str, profile: str, product: str) -> None:
    assert known_as(label, profile) == product


def test_every_name_of_the_catalogue_is_known() -> None:
    for name in accelerators():
        for label in (name, *aliases(name)):
            assert known_as(label.replace(" ", "-")) == name


def only(labels: dict[str, str], resource: str, count: float = 8, taken: float = 0) -> Gpus:
    (found,) = gpus_of(labels, {resource: count, "cpu": 32.0}, {resource: taken})
    return found


def test_whole_gpus_by_feature_discovery() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
    assert only(labels, "nvidia.com/gpu", 8, 3) == Gpus("nvidia.com/gpu", 8, 5, "H100-SXM", 81559 * MIB)


def test_time_sliced_gpus_say_their_shares() -> None:
    labels = {
        "nvidia.com/gpu.product": "Tesla-T4-SHARED",
        "nvidia.com/gpu.memory": "15360",
        "nvidia.com/gpu.replicas": "4",
    }
    assert only(labels, "nvidia.com/gpu", 16).shares == 4
    renamed = labels | {"nvidia.com/gpu.product": "Tesla-T4"}
    assert only(renamed, "nvidia.com/gpu.shared", 16).shares == 4
    assert only(renamed, "nvidia.com/gpu", 16).shares == 1


def test_slices_of_the_mixed_strategy_have_labels_of_their_own() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/mig-1g.10gb.memory": "9728"}
    found = only(labels, "nvidia.com/mig-1g.10gb", 7, 2)
    assert found == Gpus("nvidia.com/mig-1g.10gb", 7, 5, "A100-80-SXM/1g.10gb", 9728 * MIB)


def test_slices_of_the_single_strategy_are_named_like_whole_gpus() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb", "nvidia.com/gpu.memory": "40192"}
    assert only(labels, "nvidia.com/gpu", 2) == Gpus("nvidia.com/gpu", 2, 2, "A100-80-SXM/3g.40gb", 40192 * MIB)


@pytest.mark.parametrize(
    ("labels", "resource", "product", "memory"),
    [
        ({"cloud.google.com/gke-accelerator": "nvidia-l4"}, "nvidia.com/gpu", "L4", 24152899584),
        ({"cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice"}, "google.com/tpu", "TPU-v5e", 16 << 30),
        ({"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"}, "amd.com/gpu", "MI300X",
         192 << 30),
        ({"karpenter.k8s.aws/instance-gpu-name": "a10g", "karpenter.k8s.aws/instance-gpu-memory": "24576"},
         "nvidia.com/gpu", "A10G", 24 << 30),
        ({}, "nvidia.com/gpu", "", 0),
    ],
)  # fmt: skip
def test_clouds_label_in_their_own_words(labels: dict[str, str], resource: str, product: str, memory: int) -> None:
    found = only(labels, resource)
    assert (found.product, found.memory_bytes) == (product, memory)


@pytest.mark.parametrize(
    ("labels", "spot"),
    [
        ({"cloud.google.com/gke-spot": "true"}, True),
        ({"cloud.google.com/gke-preemptible": "true"}, True),
        ({"eks.amazonaws.com/capacityType": "SPOT"}, True),
        ({"karpenter.sh/capacity-type": "spot"}, True),
        ({"kubernetes.azure.com/scalesetpriority": "spot"}, True),
        ({"node.kubernetes.io/lifecycle": "spot"}, True),
        ({"karpenter.sh/capacity-type": "on-demand"}, False),
        ({"eks.amazonaws.com/capacityType": "ON_DEMAND"}, False),
        ({}, False),
    ],
)
def test_spot_by_label(labels: dict[str, str], spot: bool) -> None:
    assert is_spot(labels) is spot


def container(more: str = "", **asked: str) -> dict[str, Any]:
    return {"name": "x", "resources": {"requests": asked}} | ({"restartPolicy": more} if more else {})


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container(cpu="1"), container(cpu="500m")]}, 1.5),
        ({"containers": [container(cpu="1")], "initContainers": [container(cpu="3")]}, 3),
        ({"containers": [container(cpu="2")], "initContainers": [container("Always", cpu="1")]}, 3),
        # an init container that comes after a sidecar runs beside it
        ({"containers": [container(cpu="1")], "initContainers": [container("Always", cpu="1"), container(cpu="3")]}, 4),
        ({"containers": [container(cpu="1")], "overhead": {"cpu": "250m"}}, 1.25),
        ({"containers": [{"name": "x", "resources": {"limits": {"cpu": "2"}}}]}, 2),
        ({"containers": [container(cpu="1")], "resources": {"requests": {"cpu": "6"}}}, 6),
        ({"containers": [{"name": "x"}]}, 0),
    ],
)
def test_what_a_pod_asks_for_as_the_scheduler_reckons(spec: dict[str, Any], cpu: float) -> None:
    assert requests(spec).get("cpu", 0) == cpu


def pod(node: str = "a", phase: str = "Running", **asked: str) -> dict[str, Any]:
    spec = {"containers": [container(**asked)]} | ({"nodeName": node} if node else {})
    return {"metadata": {"name": "p", "namespace": "n"}, "spec": spec, "status": {"phase": phase}}


def test_pods_that_ended_or_wait_take_nothing() -> None:
    pods = [pod(cpu="1"), pod(cpu="2"), pod("", "Pending", cpu="4"), pod(phase="Succeeded", cpu="8"), pod("b", cpu="1")]
    assert taken(pods) == {"a": {"cpu": 3.0}, "b": {"cpu": 1.0}}


def node(name: str = "a", **status: Any) -> dict[str, Any]:
    room = {"cpu": "16", "memory": "64Gi", "nvidia.com/gpu": "8"}
    ready = {"allocatable": room, "conditions": [{"type": "Ready", "status": "True"}]}
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4", "topology.kubernetes.io/zone": "z", "headway.dev/price": "7.2"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": ready | status}


def test_a_node_with_what_pods_took_of_it() -> None:
    written = node() | {
        "spec": {"unschedulable": True, "taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
    }
    found = node_facts(written, {"cpu": 4.0, "memory": float(60 << 30), "nvidia.com/gpu": 3.0})
    assert (found.cpu, found.free_cpu, found.free_memory_bytes) == (16, 12, 4 << 30)
    assert (found.ready, found.schedulable, found.price, found.zone) == (True, False, 7.2, "z")
    assert found.taints == (("nvidia.com/gpu", "", "NoSchedule"),)
    assert [(each.count, each.free) for each in found.gpus] == [(8, 5)]


def test_more_taken_than_there_is_leaves_nothing_and_no_less() -> None:
    found = node_facts(node(), {"cpu": 40.0, "memory": 1e15, "nvidia.com/gpu": 9.0})
    assert (found.free_cpu, found.free_memory_bytes, found.gpus[0].free) == (0, 0, 0)


def resource_slice(name: str, devices: list[dict[str, Any]], generation: int = 1, node: str = "a") -> dict[str, Any]:
    pool = {"name": "p", "generation": generation, "resourceSliceCount": 1}
    spec = {"driver": "gpu.nvidia.com", "nodeName": node, "pool": pool, "devices": devices}
    return {"metadata": {"name": name}, "spec": spec}


def device(name: str, kind: str = "gpu", **more: Any) -> dict[str, Any]:
    said = {"type": {"string": kind}, "productName": {"string": "NVIDIA H100 80GB HBM3"}}
    said |= {"profile": {"string": "1g.10gb"}} if kind == "mig" else {}
    return {"name": name, "attributes": said, "capacity": {"memory": {"value": "80Gi"}}} | more


def device_class(name: str, kind: str) -> dict[str, Any]:
    cel = f"device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == '{kind}'"
    return {"metadata": {"name": name}, "spec": {"selectors": [{"cel": {"expression": cel}}]}}


CLASSES = [device_class("gpu.nvidia.com", "gpu"), device_class("mig.nvidia.com", "mig")]


def test_devices_of_dra_by_class_and_what_claims_hold() -> None:
    result = {"driver": "gpu.nvidia.com", "pool": "p", "device": "gpu-1"}
    claim = {"metadata": {"name": "c"}, "status": {"allocation": {"devices": {"results": [result]}}}}
    could_be_cut = device("mig-9", "mig", consumesCounters=[{"counterSet": "gpu-0"}])
    slices = [
        resource_slice("old", [device("gone")], generation=1),
        resource_slice("new", [device("gpu-0"), device("gpu-1"), device("mig-0", "mig"), could_be_cut], generation=2),
        resource_slice("nic", [{"name": "eth0", "attributes": {"speed": {"int": 400}}}], generation=2),
    ]
    plain = node(allocatable={"cpu": "16", "memory": "64Gi"})
    found = facts_from(API, nodes=[plain], pods=[], classes=CLASSES, slices=slices, claims=[claim])
    assert found.device_classes == ("gpu.nvidia.com", "mig.nvidia.com")
    assert found.nodes[0].gpus == (
        Gpus("gpu.nvidia.com", 2, 1, "H100-SXM", 80 << 30, dra=True),
        Gpus("mig.nvidia.com", 1, 1, "H100-SXM/1g.10gb", 80 << 30, dra=True),
    )


def test_a_driver_without_a_class_is_named_itself() -> None:
    found = facts_from(API, nodes=[node()], pods=[], slices=[resource_slice("s", [device("gpu-0")])])
    assert [each.resource for each in found.nodes[0].gpus] == ["nvidia.com/gpu", "gpu.nvidia.com"]
    assert len(inventory_of(found).accelerators) == 8, "the same silicon is not counted twice"


def test_the_inventory_is_of_nodes_that_take_pods() -> None:
    cordoned = node("b") | {"spec": {"unschedulable": True}}
    lost = node("c", conditions=[{"type": "Ready", "status": "Unknown"}])
    shared = node("d")
    shared["metadata"]["labels"] = {
        "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
        "nvidia.com/gpu.replicas": "4",
    }
    pods = [pod("a", **{"cpu": "2", "nvidia.com/gpu": "6"})]
    found = inventory_of(facts_from(API, nodes=[node(), cordoned, lost, shared], pods=pods))
    assert found.cores == 32
    assert sum(1 for each in found.accelerators if each.free_bytes) == 2 + 8
    assert {each.product for each in found.accelerators} == {"L4"}
    assert found.notes == (
        "node b takes no pods (cordoned)",
        "node c is not ready",
        "node d: each L4 is shared by 4, memory and all",
    )


def test_what_is_installed_is_asked_by_group() -> None:
    found = facts_from(API, nodes=[], pods=[])
    assert found.has("kueue.x-k8s.io")
    assert not found.has("keda.sh")


@pytest.mark.parametrize(
    ("provisioner", "shared"),
    [
        ("efs.csi.aws.com", True),
        ("rook-ceph.cephfs.csi.ceph.com", True),
        ("cluster.local/nfs-subdir-external-provisioner", True),
        ("filestore.csi.storage.gke.io", True),
        ("ebs.csi.aws.com", False),
        ("pd.csi.storage.gke.io", False),
        ("rancher.io/local-path", False),
        ("notnfs.csi.k8s.io", False),
    ],
)
def test_which_storage_many_nodes_can_read(provisioner: str, shared: bool) -> None:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    written = {"metadata": {"name": "s", "annotations": annotations}, "provisioner": provisioner}
    assert storage_class(written) == StorageClass("s", provisioner, default=True, shared=shared)

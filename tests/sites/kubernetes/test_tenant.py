"""A Tenant on a cluster: its namespace, its limits, its people, its network, and its queue where Kueue is."""

from __future__ import annotations

from typing import Any

import pytest

from headway.errors import SpecError
from headway.sites.kubernetes.facts import UNKNOWN, Facts, Gpus, NodeFacts
from headway.sites.kubernetes.labels import MODEL, TENANT
from headway.sites.kubernetes.objects.tenant import tenant_objects
from headway.spec.check import tenant_from_json
from headway.spec.tenant import Tenant
from tests.support import schemas

WRITTEN: dict[str, Any] = {
    "name": "research",
    "members": ["ana@example.com", "group:ml"],
    "namespace": "research",
    "quota": {"gpus": 8, "cpu": 64, "memory": "512GB", "storage": "2TB", "pods": 50},
    "weight": 2,
}
KUEUE = Facts(
    groups=frozenset({"kueue.x-k8s.io/v1beta2"}),
    nodes=(NodeFacts("a", gpus=(Gpus("nvidia.com/gpu", 8, 8), Gpus("nvidia.com/mig-1g.10gb", 7, 7))),),
    device_classes=("gpu.nvidia.com",),
)


def _tenant(**changes: Any) -> Tenant:
    return tenant_from_json({key: value for key, value in (WRITTEN | changes).items() if value is not None})


def _made(tenant: Tenant, facts: Facts = UNKNOWN) -> dict[str, Any]:
    found = tenant_objects(tenant, facts)
    return {each.manifest["kind"]: each.manifest for each in found}


def test_a_tenant_without_a_namespace_only_calls() -> None:
    assert tenant_objects(_tenant(namespace=None, quota=None), UNKNOWN) == ()


@pytest.mark.parametrize("facts", [UNKNOWN, KUEUE], ids=["unknown", "kueue"])
@pytest.mark.parametrize("changes", [{}, {"quota": None}, {"quota": {"gpus": 0, "borrow": False}}, {"members": None}])
def test_every_object_is_right_and_known_by_its_label(facts: Facts, changes: dict[str, Any]) -> None:
    found = [each.manifest for each in tenant_objects(_tenant(**changes), facts)]
    own = [each for each in found if each["kind"] != "ResourceFlavor"]  # all tenants share that one
    assert all(each["metadata"]["labels"][TENANT] == "research" for each in own)
    schemas.check(*found)


def test_its_quota_counts_every_kind_of_gpu_there_is() -> None:
    hard = _made(_tenant(), KUEUE)["ResourceQuota"]["spec"]["hard"]
    assert hard == {
        "requests.nvidia.com/gpu": "8",
        "requests.nvidia.com/mig-1g.10gb": "8",
        "gpu.nvidia.com.deviceclass.resource.k8s.io/devices": "8",
        "requests.cpu": "64",
        "requests.memory": "512000000000",
        "requests.storage": "2000000000000",
        "pods": "50",
    }
    assert "requests.nvidia.com/gpu" in _made(_tenant())["ResourceQuota"]["spec"]["hard"]


def test_a_quota_of_cores_gives_containers_a_request() -> None:
    assert "LimitRange" in _made(_tenant())
    assert "LimitRange" not in _made(_tenant(quota={"gpus": 1}))


def test_its_people_get_the_one_role_of_members_and_only_there() -> None:
    binding = _made(_tenant())["RoleBinding"]
    assert binding["metadata"]["namespace"] == "research"
    assert binding["roleRef"]["name"] == "headway-member"
    assert [(each["kind"], each["name"]) for each in binding["subjects"]] == [
        ("User", "ana@example.com"),
        ("Group", "ml"),
        ("ServiceAccount", "headway-pipeline"),
    ]


def test_its_network_ends_at_the_gateway() -> None:
    found = [each.manifest for each in tenant_objects(_tenant(), UNKNOWN)]
    apart, engines = (each["spec"] for each in found if each["kind"] == "NetworkPolicy")
    assert apart["podSelector"] == {}
    assert apart["ingress"] == [{"from": [{"podSelector": {}}]}]
    assert [rule.get("ports") for rule in apart["egress"]] == [
        [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
        None,
        [{"protocol": "TCP", "port": 8484}],
    ]
    assert engines["podSelector"] == {"matchExpressions": [{"key": MODEL, "operator": "Exists"}]}
    gateway = engines["ingress"][0]["from"][0]
    assert gateway["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert engines["egress"][-1] == {"ports": [{"protocol": "TCP", "port": 443}]}, "weights"


def test_kueue_covers_what_pods_ask_for_or_nothing_would_be_admitted() -> None:
    (group,) = _made(_tenant(quota={"gpus": 4, "borrow": False}), KUEUE)["ClusterQueue"]["spec"]["resourceGroups"]
    covered = group["coveredResources"]
    assert {"cpu", "memory", "ephemeral-storage", "nvidia.com/gpu", "google.com/tpu"} <= set(covered)
    assert {"nvidia.com/mig-1g.10gb", "nvidia.com/mig-3g.40gb", "nvidia.com/mig-7g.80gb"} <= set(covered)
    assert len(set(covered)) == len(covered) <= 64, "Kueue's CRD allows no more in a group"
    (flavor,) = group["flavors"]
    assert [each["name"] for each in flavor["resources"]] == group["coveredResources"]
    assert all(each["borrowingLimit"] == "0" for each in flavor["resources"])
    lends = _made(_tenant(), KUEUE)["ClusterQueue"]["spec"]
    assert "borrowingLimit" not in lends["resourceGroups"][0]["flavors"][0]["resources"][0]
    assert lends["fairSharing"] == {"weight": "2"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"namespace": None}, "a quota is of a namespace"),
        ({"namespace": "kube-system"}, "a namespace of its own"),
        ({"namespace": "default"}, "a namespace of its own"),
        ({"quota": {"borrow": True}}, "limits nothing"),
        ({"quota": {"gpus": -1}}, "a whole number"),
    ],
)
def test_what_makes_no_sense_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        _tenant(**changes)

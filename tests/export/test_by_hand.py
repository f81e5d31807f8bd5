"""Every manifest that teams write by hand has its derived twin, which says what the hand-written one says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from docs.by_hand import BY_HAND, PAIRS, Pair, derived, render
from headway.sites.kubernetes.sealed import Certificate, sealed_secret
from tests.support import schemas

Manifest = dict[str, Any]
ROOT = Path(__file__).parents[2]
IDS = [each.hand for each in PAIRS]


def by_hand(name: str) -> list[Manifest]:
    return [each for each in yaml.safe_load_all((BY_HAND / f"{name}.yaml").read_text()) if each]


def one(manifests: list[Manifest], kind: str) -> Manifest:
    return next(each for each in manifests if each["kind"] == kind)


def pod(workload: Manifest) -> Manifest:
    found: Manifest = workload["spec"]["template"]["spec"]
    return found


def limits(workload: Manifest) -> Manifest:
    found: Manifest = pod(workload)["containers"][0]["resources"]["limits"]
    return found


def products(workload: Manifest) -> set[str]:
    """Which GPUs the nodes must have, by GPU feature discovery's label."""
    required = pod(workload)["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    found = [each for term in required["nodeSelectorTerms"] for each in term["matchExpressions"]]
    return {value for each in found if each["key"] == "nvidia.com/gpu.product" for value in each["values"]}


def policy(manifests: list[Manifest]) -> Manifest:
    return next(each for each in manifests if each["metadata"]["name"].startswith("llama"))["spec"]


def ports(spec: Manifest) -> set[int]:
    return {port["port"] for rule in spec["egress"] for port in rule.get("ports", ())}


def taints(workload: Manifest) -> set[str]:
    return {each["key"] for each in pod(workload)["tolerations"]}


def time_slices(manifests: list[Manifest]) -> list[int]:
    texts = [yaml.safe_load(text) for each in manifests for text in each["data"].values()]
    slicing = [text["sharing"]["timeSlicing"]["resources"][0] for text in texts if "sharing" in text]
    return [each["replicas"] for each in slicing]


def order(manifests: list[Manifest]) -> list[str]:
    """GPUs in the order in which the autoscaler takes them."""
    ranks: dict[int, list[str]] = yaml.safe_load(manifests[0]["data"]["priorities"])
    told = [str(ranks[rank]) for rank in sorted(ranks, reverse=True)]
    named = [(gpu, "spot" in text) for text in told for gpu in ("h100", "l4") if gpu in text]
    return [f"{gpu} {spot}" for gpu, spot in named]


SAME: dict[str, Callable[[list[Manifest]], Any]] = {
    "01-device-check": lambda found: [
        (each.get("spec", {}).get("template", each)["spec"]["containers"][0]["command"][0]) for each in found
    ],
    "02-statefulset": lambda found: (
        one(found, "StatefulSet")["spec"]["replicas"],
        limits(one(found, "StatefulSet"))["nvidia.com/gpu"],
        one(found, "StatefulSet")["spec"]["volumeClaimTemplates"][0]["spec"]["storageClassName"],
        one(found, "StatefulSet")["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"],
    ),
    "03-hpa-queue": lambda found: (
        found[0]["spec"]["minReplicas"],
        found[0]["spec"]["maxReplicas"],
        found[0]["spec"]["scaleTargetRef"],
        found[0]["spec"]["metrics"][0]["type"],
    ),
    "04-mig-pod": lambda found: (found[0]["spec"]["replicas"], str(limits(found[0])["nvidia.com/mig-1g.10gb"])),
    "05-time-slicing": time_slices,
    "06-node-affinity": lambda found: (
        limits(found[0])["nvidia.com/gpu"],
        "NVIDIA-H100-80GB-HBM3" in products(found[0]),
        "nvidia.com/gpu" in taints(found[0]),
    ),
    "07-kserve": lambda found: (
        one(found, "InferenceService")["spec"]["predictor"]["minReplicas"],
        one(found, "InferenceService")["spec"]["predictor"]["maxReplicas"],
    ),
    "08-vllm": lambda found: (
        limits(one(found, "Deployment"))["nvidia.com/gpu"],
        pod(one(found, "Deployment"))["nodeSelector"]["pool"],
        one(found, "Service")["spec"]["ports"][0]["port"],
    ),
    "09-rayservice": lambda found: [
        {key: group[key] for key in ("minReplicas", "maxReplicas")}
        for group in found[0]["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    ],
    "10-vpa": lambda found: (found[0]["spec"]["targetRef"], found[0]["spec"]["updatePolicy"]),
    "11-priority-expander": order,
    "12-keda-queue": lambda found: (
        found[0]["spec"]["scaleTargetRef"]["name"],
        found[0]["spec"]["minReplicaCount"],
        found[0]["spec"]["maxReplicaCount"],
        "vllm:num_requests_waiting" in found[0]["spec"]["triggers"][0]["metadata"]["query"],
    ),
    "13-model-cache": lambda found: {
        key: one(found, "PersistentVolumeClaim")["spec"][key] for key in ("accessModes", "storageClassName")
    },
    "14-network-policy": lambda found: (set(policy(found)["policyTypes"]), {53, 443} <= ports(policy(found))),
    "15-quota": lambda found: one(found, "ResourceQuota")["spec"]["hard"]["requests.nvidia.com/gpu"],
    "17-rag": lambda found: (
        {each["metadata"]["name"] for each in found if each["kind"] == "Deployment"} >= {"chat", "embed"},
        one(found, "Namespace")["metadata"]["name"],
        one(found, "Ingress")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-buffering"],
    ),
    "18-spot": lambda found: (found[0]["spec"]["replicas"], "cloud.google.com/gke-spot" in taints(found[0])),
    "19-pdb": lambda found: found[0]["metadata"]["name"],
    "20-priority-class": lambda found: (found[0]["metadata"]["name"], found[0]["value"]),
    "21-dcgm": lambda found: (
        one(found, "ServiceMonitor")["spec"]["selector"],
        one(found, "ServiceMonitor")["spec"]["endpoints"][0]["port"],
    ),
}
"""What must be the same on both sides."""


@pytest.mark.parametrize("pair", PAIRS, ids=IDS)
def test_the_twin_says_what_the_hand_written_one_says(pair: Pair) -> None:
    same = SAME[pair.hand]
    twins = [each.manifest for each in derived(pair)]
    assert same(twins) == same(by_hand(pair.hand))


@pytest.mark.parametrize("pair", PAIRS, ids=IDS)
def test_both_are_valid(pair: Pair) -> None:
    schemas.check(*by_hand(pair.hand), *(each.manifest for each in derived(pair)))


def test_every_hand_written_manifest_is_answered() -> None:
    files = {each.stem for each in BY_HAND.glob("*.yaml")}
    assert files == {each.hand for each in PAIRS} | {"16-sealed-secret"}


def test_a_sealed_secret_is_sealed_to_the_same_place() -> None:
    """What is in it, tests/cli/test_secret.py opens."""
    hand = by_hand("16-sealed-secret")[0]
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sealed-secret")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    twin = sealed_secret("hf", "ml", {"token": b"value"}, Certificate.read(pem))
    assert twin["metadata"] == hand["metadata"]
    assert set(twin["spec"]["encryptedData"]) == set(hand["spec"]["encryptedData"])
    schemas.check(hand, twin)


def test_every_derived_value_that_a_person_meets_has_a_reason() -> None:
    for pair in PAIRS:
        for each in derived(pair):
            assert each.why or each.note, f"{pair.hand}: {each.manifest['kind']} {each.manifest['metadata']['name']}"


def test_the_page_is_fresh() -> None:
    assert (ROOT / "docs/by-hand.md").read_text() == render(), "run: make docs"

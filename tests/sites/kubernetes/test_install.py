"""An install as values: valid, locked down, and no right that the table does not tell the reason of."""

from __future__ import annotations

from typing import Any

import pytest

from headway.errors import UsageError
from headway.sites.kubernetes.install.options import Installation, installation
from headway.sites.kubernetes.install.rbac import GRANTS, KEYS
from headway.sites.kubernetes.install.whole import LABEL, install
from headway.sites.kubernetes.objects.network import model_policies, system_policies
from tests.support import schemas

EVERY = [
    Installation(),
    Installation(
        gateways=(2, 10), ledger="secret:pg/url", tls="cert", secrets=("openai",), pull_secret="reg", operators=2
    ),
    Installation(volume="1Gi", namespace="llm", service="NodePort"),
]


def _kind(of: Installation, kind: str) -> list[dict[str, Any]]:
    return [each.manifest for each in install(of) if each.manifest["kind"] == kind]


@pytest.mark.parametrize("of", EVERY, ids=["least", "most", "volume"])
def test_every_object_is_right(of: Installation) -> None:
    schemas.check(*(each.manifest for each in install(of)))


@pytest.mark.parametrize("of", EVERY, ids=["least", "most", "volume"])
def test_every_object_is_of_this_install_and_in_its_namespace(of: Installation) -> None:
    for each in install(of):
        metadata = each.manifest["metadata"]
        assert metadata["labels"][LABEL] == of.namespace
        assert metadata.get("namespace", of.namespace) == of.namespace


@pytest.mark.parametrize("of", EVERY, ids=["least", "most", "volume"])
def test_pods_fit_the_restricted_level(of: Installation) -> None:
    """kubernetes.io, "Pod Security Standards", restricted."""
    for deployment in _kind(of, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        allowed = {"emptyDir", "secret", "persistentVolumeClaim", "name"}
        assert all(each.keys() <= allowed for each in pod["volumes"])
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"] is True
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_no_right_is_wider_than_it_must_be() -> None:
    for each in GRANTS:
        assert each.why
        assert "*" not in (each.group, *each.resources, *each.verbs)
        assert not {"escalate", "impersonate", "deletecollection"} & set(each.verbs)
        if "secrets" in each.resources:
            assert (each.part, each.scope, each.names) == ("gateway", "system", (KEYS,))
        if "bind" in each.verbs:
            assert each.names
        if each.part == "gateway":
            assert set(each.verbs) <= {"get", "list", "watch"}, "the gateway writes nothing"
    roles = [*_kind(Installation(), "ClusterRole"), *_kind(Installation(), "Role")]
    assert not any("*" in str(rule) for role in roles for rule in role["rules"])


def test_one_gateway_counts_budgets_where_there_is_no_ledger() -> None:
    (alone,) = [
        each for each in _kind(Installation(volume="1Gi"), "Deployment") if "gateway" in each["metadata"]["name"]
    ]
    assert (alone["spec"]["replicas"], alone["spec"]["strategy"]) == (1, {"type": "Recreate"})
    (claim,) = _kind(Installation(volume="1Gi"), "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    (scaler,) = _kind(Installation(ledger="secret:pg/url"), "HorizontalPodAutoscaler")
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 10)
    gateways = [each for each in _kind(EVERY[1], "Deployment") if "gateway" in each["metadata"]["name"]]
    assert "replicas" not in gateways[0]["spec"], "the autoscaler's"


def test_a_ledgers_password_stands_on_no_command_line() -> None:
    (gateway,) = [each for each in _kind(EVERY[1], "Deployment") if "gateway" in each["metadata"]["name"]]
    container = gateway["spec"]["template"]["spec"]["containers"][0]
    assert "secret:pg/url" in container["args"]
    assert not any("secretKeyRef" in str(each) for each in container["env"])
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounts["secret-pg"] == "/var/lib/headway/secrets/pg"


def test_policies_leave_only_the_flows_that_headway_needs() -> None:
    gateway, operator = (each.manifest["spec"] for each in system_policies())
    assert [rule.get("ports") for rule in gateway["ingress"]] == [[{"protocol": "TCP", "port": 8484}]]
    assert [rule["ports"][0]["port"] for rule in operator["ingress"]] == [8486, 9486]
    (model,) = (each.manifest["spec"] for each in model_policies("chat", "team", ports=()))
    assert len(model["ingress"]) == 1
    assert all(peer.get("podSelector") for peer in model["ingress"][0]["from"]), "nobody else reaches an engine"
    assert not [rule for rule in model["egress"] if {"protocol": "TCP", "port": 443} in rule.get("ports", [])]
    for each in (gateway, operator, model):
        assert each["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"service": "External"}, "ClusterIP"),
        ({"ledger": "postgresql://me:geheim@db/x"}, "secret:NAME/KEY"),
        ({"gateways": "10..2"}, "a range like"),
        ({"gateways": "0"}, "a range like"),
        ({"namespace": "A B"}, "--namespace"),
        ({"volume": "big"}, "1Gi"),
        ({"volume": "1Gi", "ledger": "secret:pg/url"}, "leave one out"),
        ({"secrets": ("Open_AI",)}, "--secret"),
    ],
)
def test_what_makes_no_sense_is_told(written: dict[str, Any], told: str) -> None:
    asked: dict[str, Any] = {
        **dict.fromkeys(("image", "gateways", "ledger", "tls", "pull_secret", "volume"), ""),
        "namespace": "headway",
        "operators": 1,
        "service": "ClusterIP",
        "secrets": (),
    }
    with pytest.raises(UsageError, match=told) as caught:
        installation(**asked | written)
    assert "geheim" not in str(caught.value)

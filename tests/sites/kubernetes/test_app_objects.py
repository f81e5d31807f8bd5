"""The objects of an App on a cluster: strictly valid, restricted, and no more than it asks for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from headway.errors import ResourceError
from headway.sites.kubernetes.facts import UNKNOWN, Facts, Gpus, NodeFacts
from headway.sites.kubernetes.objects.app import app_objects, object_name
from headway.spec.app import PRESETS
from headway.spec.check import app_from_json
from headway.wire.kube.manifest import Manifest
from tests.support import schemas

GPUS = Facts(nodes=(NodeFacts("a", gpus=(Gpus("nvidia.com/gpu", 8, 8, "L4", 24_000_000_000),)),))
DRA_ONLY = Facts(
    version=(1, 36),
    groups=frozenset({"resource.k8s.io/v1"}),
    nodes=(NodeFacts("a", gpus=(Gpus("gpu.nvidia.com", 8, 8, dra=True),)),),
    device_classes=("gpu.nvidia.com",),
)


def made(facts: Facts = UNKNOWN, *, awake: bool = True, **written: Any) -> dict[str, Manifest]:
    app = app_from_json({"name": "notes", **(written or {"preset": "notebook"})})
    found = app_objects(app, facts, namespace="team", awake=awake)
    for each in found:
        assert each.note
        assert all(pointer.startswith("/") for pointer in each.why)
    return {each.manifest["kind"]: each.manifest for each in found}


def container(objects: dict[str, Manifest]) -> dict[str, Any]:
    (one,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(one)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset: str) -> None:
    more = {} if PRESETS[preset].command else {"command": ["python", "app.py"]}
    schemas.check(*made(preset=preset, storage="10GB", gpu="L4", idle="30m", **more).values())
    schemas.check(*made(GPUS, preset=preset, gpu="24GB..", **more).values())


def test_a_notebook_as_it_comes() -> None:
    objects = made()
    assert list(objects) == ["NetworkPolicy", "Service", "Deployment"], "no storage, no claim"
    one = container(objects)
    assert one["command"][:4] == ["jupyter", "lab", "--no-browser", "--ip=0.0.0.0"]
    assert one["readinessProbe"]["httpGet"] == {"path": "/api", "port": "http"}
    env = {each["name"]: each for each in one["env"]}
    assert env["OPENAI_BASE_URL"]["value"] == "http://headway-gateway.headway.svc/v1"
    for name, key in (("OPENAI_API_KEY", "key"), ("JUPYTER_TOKEN", "token")):
        assert env[name]["valueFrom"]["secretKeyRef"] == {"name": "notes-app", "key": key}
    assert objects["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


def test_it_is_restricted_and_writes_only_where_it_lives() -> None:
    objects = made()
    pod, one = objects["Deployment"]["spec"]["template"]["spec"], container(objects)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True,
    }  # fmt: skip
    assert [each["mountPath"] for each in one["volumeMounts"]] == ["/home/jovyan", "/tmp"]  # noqa: S108


def test_asleep_is_no_pod_and_nothing_else_differs() -> None:
    awake, asleep = made(), made(awake=False)
    assert (awake["Deployment"]["spec"].pop("replicas"), asleep["Deployment"]["spec"].pop("replicas")) == (1, 0)
    assert awake == asleep


def test_storage_is_a_claim_where_it_lives() -> None:
    objects = made(preset="notebook", storage="10GiB")
    assert objects["PersistentVolumeClaim"]["spec"]["resources"]["requests"]["storage"] == "10Gi"
    volumes = objects["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volumes[0] == {"name": "home", "persistentVolumeClaim": {"claimName": "notes-app"}}
    assert container(objects)["workingDir"] == "/home/jovyan"


def test_a_gpu_is_asked_for_with_the_nodes_that_have_it() -> None:
    objects = made(GPUS, preset="notebook", gpu="L4")
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert container(objects)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]


def test_without_a_gpu_it_goes_anywhere() -> None:
    pod = made(GPUS)["Deployment"]["spec"]["template"]["spec"]
    assert "affinity" not in pod
    assert "tolerations" not in pod


def test_places_are_put_in() -> None:
    objects = made(command=["serve", "--at={host}:{port}", "--data={storage}"], image="team/app:1", port=9000)
    assert container(objects)["command"] == ["serve", "--at=0.0.0.0:9000", "--data=/data"]
    assert container(objects)["image"] == "team/app:1"


def test_an_image_alone_runs_its_own_command() -> None:
    assert "command" not in container(made(image="team/app:1"))


@pytest.mark.parametrize(("facts", "gpu", "says"), [(DRA_ONLY, "1", "by DRA alone"), (GPUS, "L4:16", "more than one")])
def test_what_no_node_gives_is_told(facts: Facts, gpu: str, says: str) -> None:
    with pytest.raises(ResourceError, match=says):
        made(facts, preset="notebook", gpu=gpu)


@pytest.mark.parametrize("name", ["notes", "9lives", "a" * 63, "a" * 62 + "b"])
def test_names_are_names_of_services(name: str) -> None:
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", object_name(name))
    assert (object_name(name) == f"{name}-app") == (name == "notes")


def test_long_names_stay_apart() -> None:
    assert object_name("a" * 63) != object_name("a" * 62 + "b")

"""Who wrote which field, from managedFields as a real API server wrote them."""

from __future__ import annotations

import pytest

from headway.wire.kube.manifest import Manifest
from headway.wire.kube.ownership import applied, missing, writers

OWNED = {
    "f:metadata": {"f:labels": {"f:app": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"engine"}': {
                        ".": {},
                        "f:name": {},
                        "f:image": {},
                        "f:args": {},
                        "f:ports": {'k:{"containerPort":8000,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
                    }
                },
                "f:volumes": {'k:{"name":"tmp"}': {".": {}, "f:name": {}, "f:emptyDir": {}}},
            }
        },
    },
}
CONTAINER = {"name": "engine", "image": "one:1", "args": ["--a", "--b"], "ports": [{"containerPort": 8000}]}
VOLUME = {"name": "tmp", "emptyDir": {}}


def workload(**container: object) -> Manifest:
    pod = {"containers": [CONTAINER | container], "volumes": [VOLUME]}
    return {"metadata": {"name": "chat", "labels": {"app": "x"}}, "spec": {"replicas": 2, "template": {"spec": pod}}}


def entry(manager: str, fields: Manifest, operation: str = "Apply", **more: str) -> Manifest:
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **more}


def test_all_that_was_applied_is_ours() -> None:
    """A default among an item's keys (the protocol) is not missed, nor an empty value that the server dropped."""
    assert missing(OWNED, workload(env=[], resources={})) == ""


@pytest.mark.parametrize(
    ("wanted", "lost"),
    [
        (workload(command=["x"]), "spec.template.spec.containers[0].command"),
        (workload(name="other"), "spec.template.spec.containers[0]"),
        (workload(ports=[{"containerPort": 9000}]), "spec.template.spec.containers[0].ports[0]"),
        ({"metadata": {"labels": {"app": "x", "mine": "y"}}}, "metadata.labels.mine"),
        ({"data": {"a": {"b": 1}}}, "data.a.b"),
    ],
)
def test_the_first_field_that_is_not_ours_is_named(wanted: Manifest, lost: str) -> None:
    assert missing(OWNED, wanted) == lost


def test_what_others_may_write_is_passed_over() -> None:
    owned = {"f:spec": {"f:selector": {}}}
    assert missing(owned, {"spec": {"replicas": 2, "selector": {"a": "b"}}}, passed_over=("spec.replicas",)) == ""


def test_who_owns_a_field_and_how() -> None:
    replicas = {"f:spec": {"f:replicas": {}}}
    entries = [
        entry("headway", OWNED),
        entry("kubectl", replicas, "Update", subresource="scale"),
        entry("headway", {"f:status": {}}, subresource="status"),
    ]
    manifest = {"metadata": {"managedFields": entries}}
    assert writers(manifest, ("spec", "replicas")) == ["headway", "kubectl"]
    assert writers(manifest, ("spec", "paused")) == []
    assert applied(manifest, "headway") == OWNED
    assert applied(manifest, "kubectl") == {}
    assert applied({"metadata": {}}, "headway") == {}

"""The checker of manifests finds what an API server would refuse or drop."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import schemas

META = {"name": "chat", "namespace": "team"}


def deployment(**pod: Any) -> dict[str, Any]:
    container = {"name": "engine", "image": "engine:1"} | pod
    template = {"metadata": {"labels": {"app": "chat"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"app": "chat"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": META, "spec": spec}


RIGHT = (
    deployment(resources={"limits": {"nvidia.com/gpu": 1, "memory": "1.5Gi"}}),
    {"apiVersion": "v1", "kind": "Service", "metadata": META, "spec": {"ports": [{"port": 80, "targetPort": "http"}]}},
    {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": META,
        "spec": {
            "scaleTargetRef": {"name": "chat"},
            "triggers": [{"type": "prometheus", "metadata": {"query": "x"}}],
        },
    },
    {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": META,
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "podMetricsEndpoints": [{"port": "http"}]},
    },
)


def wrong() -> list[tuple[str, dict[str, Any]]]:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "7b"}, "spec": {}}
    labelled = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": META | {"labels": {"a": "x" * 64}}}
    scaled = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": META}
    target = {"scaleTargetRef": {"name": "chat"}, "triggers": []}
    return [
        ("/spec/template/spec/containers/0", deployment(imagePullPolice="Always")),
        (
            "/spec/template/spec/containers/0/resources/limits/memory",
            deployment(resources={"limits": {"memory": "1GB"}}),
        ),
        ("/spec/template/spec/containers/0/ports/0/containerPort", deployment(ports=[{"containerPort": "80"}])),
        ("/metadata/name", service),
        ("/metadata/labels/a", labelled),
        ("/spec", scaled | {"spec": target | {"minReplicas": 1}}),
        ("/metadata", scaled | {"metadata": META | {"label": {}}, "spec": target}),
        ("no schema of", {"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": META}),
    ]


@pytest.mark.parametrize("manifest", RIGHT, ids=lambda each: each["kind"])
def test_right_ones_have_no_fault(manifest: dict[str, Any]) -> None:
    schemas.check(manifest)


@pytest.mark.parametrize(("where", "manifest"), wrong(), ids=lambda each: each if isinstance(each, str) else "")
def test_a_fault_is_found_and_says_where(where: str, manifest: dict[str, Any]) -> None:
    if not schemas.SHARED.is_dir():
        pytest.skip("needs ../shared/schemas")
    found = schemas.faults(manifest)
    assert any(where in fault for fault in found), found

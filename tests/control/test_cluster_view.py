"""Objects of a cluster and their Replicas -> what `ls` and `status` show."""

from __future__ import annotations

from typing import Any

import pytest

from headway.control.cluster_view import model_view, route_view, tenant_view
from headway.engines.registry import revise_elsewhere
from headway.policy.decision import Reason
from headway.sites.base import Replica, ReplicaState
from headway.spec.check import from_json

SPEC = {"source": "hf://org/name", "replicas": 2}
ID = revise_elsewhere(from_json(SPEC | {"name": "chat"})).revision.id
URL = "http://gateway/v1"


def model(*conditions: dict[str, Any], spec: dict[str, Any] | None = None, seen: int = 3, **status: Any) -> Any:
    metadata = {"name": "chat", "namespace": "team-a", "generation": 3, "creationTimestamp": "2026-11-22T02:00:00Z"}
    told = {"conditions": list(conditions), "observedGeneration": seen} | status
    return {"kind": "Model", "metadata": metadata, "spec": spec or SPEC, "status": told}


def said(kind: str, status: str, reason: str = "Ready", message: str = "m") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def replica(number: int, state: ReplicaState = ReplicaState.READY, revision: str = ID) -> Replica:
    return Replica(f"chat-{number}", "chat", revision, state, Reason.READY, "", host="10.0.0.1", port=8000, node="n")


READY, NOT = said("Ready", "True"), said("Ready", "False", "NoFreeGpu", "all taken")
MOVES, STUCK = said("Progressing", "True"), said("Progressing", "False")
DEGRADED = said("Degraded", "True", "NoSuchGpu", "no B200 here")
TWO, ONE = [replica(0), replica(1)], [replica(0)]
PENDING = [replica(0, ReplicaState.PENDING)]


@pytest.mark.parametrize(
    ("manifest", "replicas", "state", "reason", "message"),
    [
        (model(READY), TWO, "ready", "Ready", "m"),
        (model(READY), ONE, "degraded", "Ready", "m"),
        (model(READY, DEGRADED), ONE, "degraded", "NoSuchGpu", "no B200 here"),
        (model(READY), [replica(0, revision="old"), replica(1, revision="old")], "degraded", "Ready", "m"),
        (model(READY), [replica(0, ReplicaState.STARTING), replica(1)], "degraded", "Ready", "m"),
        (model(READY), [replica(0, ReplicaState.STARTING)], "starting", "Ready", "m"),
        (model(READY), [], "ready", "Ready", "m"),
        (model(NOT, MOVES), PENDING, "pending", "NoFreeGpu", "all taken"),
        (model(NOT, STUCK), PENDING, "failed", "NoFreeGpu", "all taken"),
        (model(NOT, MOVES), [], "preparing", "NoFreeGpu", "all taken"),
        (model(READY, seen=2), TWO, "preparing", "Preparing", "the operator has not looked at it yet"),
        (model(), [], "preparing", "Preparing", "the operator has not looked at it yet"),
        (model(READY, spec={"source": "openai://api.acme.dev/gpt", "engine": "openai"}), [], "ready", "Ready", "m"),
    ],
)
def test_a_models_state(manifest: Any, replicas: list[Replica], state: str, reason: str, message: str) -> None:
    view = model_view(manifest, replicas, URL, "prod")
    assert (view.state, view.reason, view.message) == (state, reason, message)


@pytest.mark.parametrize("ready", [READY, NOT], ids=["serves", "serves not"])
def test_the_next_action_is_told_once(ready: dict[str, Any]) -> None:
    """A condition's message ends with it, for kubectl; a view has a field for it."""
    message = "no PriorityClass production; make it"
    view = model_view(model(ready | {"message": message}, STUCK, next="make it"), ONE, URL, "prod")
    assert (view.message, view.next_action) == ("no PriorityClass production", "make it")


def test_a_model_that_goes_is_stopping() -> None:
    manifest = model(READY)
    manifest["metadata"]["deletionTimestamp"] = "2026-11-22T02:00:00Z"
    assert model_view(manifest, ONE, URL, "prod").state == "stopping"


def test_the_rest_of_a_view() -> None:
    view = model_view(model(READY, next="do this"), TWO, URL, "prod")
    assert (view.replicas_wanted, view.replicas_ready, view.revision) == (2, 2, ID)
    assert (view.engine, view.task, view.source, view.address) == ("vllm", "chat", "hf://org/name", URL)
    assert view.next_action == "do this"
    assert [(each.name, each.node, each.address) for each in view.replicas] == [
        ("chat-0", "n", "10.0.0.1:8000"),
        ("chat-1", "n", "10.0.0.1:8000"),
    ]


def test_scale_counts_in_place_of_replicas() -> None:
    assert model_view(model(READY, spec=SPEC | {"scale": 5}), TWO, URL, "prod").replicas_wanted == 5
    assert model_view(model(READY, spec=SPEC | {"scale": 0}), [], URL, "prod").state == "ready"


def test_variants_are_told_one_by_one() -> None:
    variants = [{"name": "h100", "gpu": "H100"}, {"name": "l4", "gpu": "L4", "replicas": 3}]
    spec = SPEC | {"variants": variants, "scale": 9}
    ways = from_json(SPEC | {"name": "chat", "variants": variants}).ways
    ids = {name: revise_elsewhere(way, name).revision.id for name, way in ways.items()}
    view = model_view(model(READY, spec=spec), [replica(0, revision=ids["l4"])], URL, "prod")
    told = [(each.name, each.revision, each.replicas_wanted, each.replicas_ready) for each in view.variants]
    assert told == [("h100", ids["h100"], 2, 0), ("l4", ids["l4"], 3, 1)]
    assert view.replicas[0].variant == "l4"


def test_a_spec_that_cannot_be_read_is_a_failed_model_and_no_traceback() -> None:
    view = model_view(model(spec={"source": "ftp://x"}), [], URL, "prod")
    assert view.state == "failed"
    assert "unknown scheme 'ftp'" in view.message


def test_routes_and_tenants() -> None:
    metadata = {"name": "best", "namespace": "team-a", "generation": 1}
    road = route_view({"kind": "Route", "metadata": metadata, "spec": {"to": [{"model": "chat"}]}}, {}, URL)
    assert road.models == {"chat": "absent"}
    there = {"name": "acme", "namespace": "headway", "generation": 1}
    tenant = tenant_view({"kind": "Tenant", "metadata": there, "spec": {"limits": {"rpm": 5}}}, 2)
    assert (tenant.limits, tenant.keys, tenant.day.start) == ({"rpm": 5}, 2, "")

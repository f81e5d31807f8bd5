"""The pass over an App: awake, asleep, waiting for its Secret, mended. Pure."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from headway.control.operator.app_pass import AppSeen, app_pass, last_used
from headway.control.operator.plan import Plan
from headway.policy.decision import Reason
from headway.sites.kubernetes.facts import UNKNOWN
from headway.sites.kubernetes.labels import USED
from headway.wire.kube.manifest import Manifest, Ref, ref

MADE = 1_795_255_200.0


def at(seconds: float) -> str:
    return datetime.fromtimestamp(MADE + seconds, UTC).isoformat().replace("+00:00", "Z")


def app(used: float | None = None, **spec: Any) -> Manifest:
    metadata: Manifest = {
        "name": "notes",
        "namespace": "team",
        "uid": "u1",
        "generation": 1,
        "creationTimestamp": at(0),
    }
    if used is not None:
        metadata["annotations"] = {USED: at(used)}
    written = {"preset": "notebook", "idle": "10m"} | spec
    return {"apiVersion": "headway.dev/v1alpha1", "kind": "App", "metadata": metadata, "spec": written}


def live(plan: Plan) -> dict[Ref, Manifest]:
    """What the cluster would have of what was applied: with its writer noted."""
    found = {}
    for number, each in enumerate(plan.apply):
        manifest = copy.deepcopy(each.manifest)
        fields = _fields({key: value for key, value in manifest.items() if key not in ("apiVersion", "kind")})
        manifest["metadata"] |= {
            "uid": f"c{number}",
            "managedFields": [{"manager": "headway", "operation": "Apply", "fieldsV1": fields}],
        }
        found[ref(manifest)] = manifest
    return found


def _fields(value: Any) -> Any:
    return {f"f:{key}": _fields(item) for key, item in value.items()} if isinstance(value, dict) else {}


def decided(manifest: Manifest, *, after: float, children: dict[Ref, Manifest] | None = None,
            pods: tuple[Manifest, ...] = (), volume: Manifest | None = None) -> Plan:  # fmt: skip
    return app_pass(AppSeen(manifest, children or {}, pods, volume, UNKNOWN), "kubernetes", MADE + after)


def told(plan: Plan, kind: str = "Ready") -> Any:
    return next(each for each in plan.conditions if each.type == kind)


def replicas(plan: Plan) -> int:
    (found,) = (each.manifest for each in plan.apply if each.manifest["kind"] == "Deployment")
    return int(found["spec"]["replicas"])


def test_a_new_app_is_made_awake_with_an_owner() -> None:
    plan = decided(app(), after=1)
    assert {each.manifest["kind"] for each in plan.apply} == {"NetworkPolicy", "Service", "Deployment"}
    assert all(each.manifest["metadata"]["ownerReferences"][0]["uid"] == "u1" for each in plan.apply)
    assert replicas(plan) == 1
    assert plan.look_again == pytest.approx(599)


def test_it_sleeps_when_nobody_used_it_and_wakes_when_somebody_does() -> None:
    children = live(decided(app(), after=1))
    asleep = decided(app(), after=601, children=children)
    (scale,) = asleep.scale
    assert (scale.workload.kind, scale.count) == ("Deployment", 0)
    assert not asleep.apply, "nothing else of it is touched"
    assert (told(asleep).reason, told(asleep).is_true) == (Reason.IDLE, False)
    assert "headway open notes" in told(asleep).text
    next(each for at, each in children.items() if at.kind == "Deployment")["spec"]["replicas"] = 0
    assert not decided(app(), after=700, children=children).scale
    (woken,) = decided(app(used=800), after=801, children=children).scale
    assert woken.count == 1


def test_an_app_that_is_asleep_is_made_so() -> None:
    assert replicas(decided(app(), after=5000)) == 0


def test_without_idle_it_stays() -> None:
    manifest = app()
    del manifest["spec"]["idle"]
    plan = decided(manifest, after=1e6)
    assert replicas(plan) == 1
    assert plan.look_again is None


@pytest.mark.parametrize("noted", ["yesterday", "", "2020-01-01T00:00:00Z"])
def test_a_note_that_makes_no_sense_counts_from_when_it_was_made(noted: str) -> None:
    manifest = app(used=0)
    manifest["metadata"]["annotations"][USED] = noted
    assert last_used(manifest) == MADE


def test_a_steady_app_writes_nothing() -> None:
    plan = decided(app(), after=2, children=live(decided(app(), after=1)))
    assert (plan.apply, plan.scale, plan.end, plan.events) == ((), (), (), ())


def test_what_somebody_changed_is_put_back_and_stays_awake() -> None:
    children = live(decided(app(), after=1))
    deployment = next(each for at, each in children.items() if at.kind == "Deployment")
    del deployment["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:strategy"]
    (repair,) = decided(app(), after=2, children=children).apply
    assert repair.repairs
    assert repair.manifest["spec"]["replicas"] == 1


def test_its_storage_is_nobodys_and_is_never_ended() -> None:
    plan = decided(app(storage="10GB"), after=1)
    (claim,) = (each.manifest for each in plan.apply if each.manifest["kind"] == "PersistentVolumeClaim")
    assert "ownerReferences" not in claim["metadata"]
    again = decided(app(storage="20GB"), after=2, children=live(plan), volume=claim)
    assert all(each.manifest["kind"] != "PersistentVolumeClaim" for each in again.apply)
    without = decided(app(), after=3, children={ref(claim): claim}, volume=claim)
    assert not without.end


def test_a_pod_that_waits_for_its_secret_says_who_makes_it() -> None:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "notes-app" not found'}
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "team", "creationTimestamp": at(0)},
        "spec": {"nodeName": "n", "containers": [{"name": "app", "image": "x"}]},
        "status": {"phase": "Pending", "containerStatuses": [{"name": "app", "ready": False, "restartCount": 0,
                                                              "state": {"waiting": waiting}}]},
    }  # fmt: skip
    assert "headway open notes" in told(decided(app(), after=1, pods=(pod,))).text

"""One pass over one Model, on values: what it applies, moves, leaves alone and says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.control.operator.applied import marked
from headway.control.operator.model_pass import ModelSeen, decide, leave, stand_still
from headway.control.operator.plan import Plan
from headway.control.operator.wish import Wish, divide, wish_of
from headway.policy.decision import Reason
from headway.sites.kubernetes.facts import Facts, StorageClass
from headway.sites.kubernetes.labels import COMPONENT, FINALIZER, REVISION
from headway.sites.kubernetes.objects.model import model_objects
from headway.sites.kubernetes.objects.replica import replica_objects
from headway.sites.kubernetes.pending import Pending
from headway.spec.model import Replicas
from headway.wire.kube.manifest import Manifest, labels, ref

FACTS = Facts()
OURS = "headway.dev/v1alpha1"


def model(generation: int = 1, **spec: Any) -> Manifest:
    metadata = {"name": "chat", "namespace": "team", "uid": "u1", "generation": generation, "finalizers": [FINALIZER]}
    said = {"source": "builtin://mock", "replicas": 2} | spec
    return {"apiVersion": OURS, "kind": "Model", "metadata": metadata, "spec": said}


def planned(seen: ModelSeen, wish: Wish) -> Plan:
    return decide(
        seen,
        wish,
        lambda way, facts, ns: replica_objects(way.model, way.revision, facts, namespace=ns, replicas=way.count),
        lambda made, facts, ns: model_objects(made.model, facts, namespace=ns),
    )


def seen(
    manifest: Manifest, children: Sequence[Manifest] = (), pods: Sequence[Manifest] = (), **more: Any
) -> ModelSeen:
    said: dict[str, Any] = {"facts": FACTS, "scalers": {}, "pending": {}} | more
    return ModelSeen(manifest, {ref(each): each for each in children}, pods, **said)


def applied(plan: Plan) -> list[Manifest]:
    """What the API server would hold afterwards: all fields ours."""
    return [
        each.manifest
        | {"metadata": each.manifest["metadata"] | {"uid": f"c{number}", "managedFields": _owned(each.manifest)}}
        for number, each in enumerate(plan.apply)
    ]


def _owned(manifest: Manifest) -> list[Manifest]:
    return [{"manager": "headway", "operation": "Apply", "fieldsV1": _fields(manifest)}]


def _fields(value: Any) -> Mapping[str, Any]:
    """Every field of mappings; lists are taken as owned whole."""
    return {f"f:{key}": _fields(below) for key, below in value.items()} if isinstance(value, dict) else {}


def running(workload: Manifest, count: int, *, ready: bool = True) -> list[Manifest]:
    """Its pods, all alike."""
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": str(ready)}]
    container = {"name": "engine", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    return [
        {
            "metadata": {
                "name": f"{workload['metadata']['name']}-{number}",
                "namespace": "team",
                "labels": labels(workload),
                "creationTimestamp": f"2026-01-01T00:00:{number:02}Z",
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "engine"}]},
            "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [container]},
        }
        for number in range(count)
    ]


def of_kind(found: Sequence[Manifest], kind: str = "Deployment") -> Manifest:
    return next(each for each in found if each["kind"] == kind)


def first(**spec: Any) -> tuple[Manifest, Wish, list[Manifest]]:
    """A Model, its wish, and what a first pass makes."""
    manifest = model(**spec)
    wish = wish_of(manifest, "kubernetes")
    return manifest, wish, applied(planned(seen(manifest), wish))


def condition(plan: Plan, kind: str) -> tuple[bool, Reason, str]:
    found = next(each for each in plan.conditions if each.type == kind)
    return found.is_true, found.reason, found.message


def test_a_new_model_is_made_whole_and_owned() -> None:
    _, wish, made = first()
    assert [each["kind"] for each in made] == ["Service", "PodDisruptionBudget", "Service", "Deployment"]
    assert all(each["metadata"]["ownerReferences"][0]["uid"] == "u1" for each in made)
    assert of_kind(made)["spec"]["replicas"] == 2
    assert labels(of_kind(made))[REVISION] == wish.ways[0].revision.id


def test_what_is_as_it_shall_be_is_not_written() -> None:
    manifest, wish, made = first()
    plan = planned(seen(manifest, made, running(of_kind(made), 2)), wish)
    assert (plan.apply, plan.scale, plan.end, plan.events) == ((), (), (), ())
    assert [condition(plan, each)[0] for each in ("Ready", "Progressing", "Degraded")] == [True, False, False]
    assert plan.status["readyReplicas"] == 2


def test_a_node_that_joins_restarts_nothing() -> None:
    """What would be derived otherwise now is left as it is once a pod of it has a node."""
    manifest, wish, made = first()
    workload = of_kind(made)
    before = marked({**workload, "spec": {**workload["spec"], "minReadySeconds": 7}}, manifest, wish.source, 2)
    before["metadata"] |= {"uid": "c3", "managedFields": _owned(before)}
    others = [each for each in made if each is not workload]
    plan = planned(seen(manifest, [*others, before], running(workload, 2)), wish)
    assert plan.apply == ()
    plan = planned(seen(manifest, [*others, before], []), wish)
    assert [each.manifest["kind"] for each in plan.apply] == ["Deployment"]


def test_a_field_that_somebody_changed_is_put_back() -> None:
    manifest, wish, made = first()
    service = of_kind(made, "Service")
    del service["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:selector"]
    plan = planned(seen(manifest, made, running(of_kind(made), 2)), wish)
    (repair,) = plan.apply
    assert (repair.repairs, repair.manifest["kind"]) == (True, "Service")
    assert repair.why == "somebody changed spec.selector.app.kubernetes.io/component"
    assert [each.reason for each in plan.events] == [Reason.REPAIRED]


def test_a_change_makes_a_revision_and_the_old_one_leaves_as_the_new_is_ready() -> None:
    manifest, _, made = first()
    old = of_kind(made)
    changed = model(2, args={"max-running": 3})
    wish = wish_of(changed, "kubernetes")
    pods = running(old, 2)
    plan = planned(seen(changed, made, pods), wish)
    fresh = of_kind([each.manifest for each in plan.apply])
    assert fresh["metadata"]["name"] != old["metadata"]["name"]
    assert plan.scale == ()
    assert condition(plan, "Progressing")[1] is Reason.NEW_REVISION
    there = [*made, *(each for each in applied(plan) if each["kind"] == "Deployment")]
    plan = planned(seen(changed, there, [*pods, *running(fresh, 1)]), wish)
    assert [(each.workload.name, each.count) for each in plan.scale] == [(old["metadata"]["name"], 1)]
    plan = planned(seen(changed, there, [*pods, *running(fresh, 2)]), wish)
    assert [(each.workload.name, each.count) for each in plan.scale] == [(old["metadata"]["name"], 0)]
    old["spec"]["replicas"] = 0
    plan = planned(seen(changed, there, running(fresh, 2)), wish)
    assert {(each.of.kind, each.of.name) for each in plan.end} == {
        ("Deployment", old["metadata"]["name"]),
        ("Service", old["metadata"]["name"]),
    }
    assert manifest["metadata"]["uid"] == "u1"


def test_pods_that_the_mirror_does_not_show_yet_are_not_ended() -> None:
    _, _, made = first()
    of_kind(made)["status"] = {"readyReplicas": 2}
    changed = model(2, args={"max-running": 3})
    plan = planned(seen(changed, made, []), wish_of(changed, "kubernetes"))
    assert plan.scale == ()
    assert plan.look_again


def group(number: int, pod: Manifest) -> Manifest:
    """A pod of a Replica of several."""
    named = {"name": f"{pod['metadata']['name']}-{number}", "labels": {**labels(pod), INDEX: str(number)}}
    return pod | {"metadata": pod["metadata"] | named, "spec": pod["spec"] | {"subdomain": "chat-group"}}


def pair(*, second: Manifest | None = None, **of_second: Any) -> tuple[Manifest, Wish, list[Manifest], list[Manifest]]:
    """A Model whose one Replica has two pods, what is there of it, and the pods."""
    manifest, wish, made = first(replicas=1)
    workload = of_kind(made)
    workload["kind"], workload["spec"] = "StatefulSet", workload["spec"] | {"replicas": 2, "serviceName": "chat-group"}
    lead, other = running(workload, 1), running(workload, 1, **of_second)
    return manifest, wish, made, [group(0, lead[0]), group(1, second or other[0])]


INDEX = "apps.kubernetes.io/pod-index"


def grouped(wish: Wish, found: ModelSeen) -> Plan:
    """As `planned`, with a StatefulSet that is one Replica where a Deployment would be."""

    def made(way: Any, facts: Facts, ns: str) -> Sequence[Any]:
        objects = replica_objects(way.model, way.revision, facts, namespace=ns, replicas=way.count)
        spec = objects[-1].manifest["spec"] | {"replicas": 2, "serviceName": "chat-group"}
        return (*objects[:-1], replace(objects[-1], manifest=objects[-1].manifest | {"kind": KIND, "spec": spec}))

    return decide(found, wish, made, lambda each, facts, ns: model_objects(each.model, facts, namespace=ns))


KIND = "StatefulSet"


def test_a_replica_of_several_pods_answers_when_all_do() -> None:
    manifest, wish, made, pods = pair()
    assert condition(grouped(wish, seen(manifest, made, pods)), "Ready")[:2] == (True, Reason.READY)
    alone = condition(grouped(wish, seen(manifest, made, pods[:1])), "Ready")
    assert alone[0] is False
    assert "1 of its 2 pods are there" in alone[2]


def test_a_pod_of_a_replica_that_no_node_takes_is_told() -> None:
    manifest, wish, made, pods = pair()
    waits = pods[1] | {"spec": {"containers": [{"name": "engine"}], "subdomain": "chat-group"}, "status": {}}
    why = {waits["metadata"]["name"]: Pending(Reason.NO_FREE_GPU, "needs 8 x nvidia.com/gpu", "add a node")}
    plan = grouped(wish, seen(manifest, made, [pods[0], waits], pending=why))
    assert condition(plan, "Ready")[:2] == (False, Reason.NO_FREE_GPU)
    assert "needs 8 x nvidia.com/gpu" in condition(plan, "Ready")[2]
    assert plan.status["readyReplicas"] == 0


def test_a_replica_of_several_pods_leaves_when_it_is_replaced() -> None:
    """Its controller counts pods, and that is no reason to think that some are not seen."""
    _, _, made, pods = pair()
    of_kind(made, KIND)["status"] = {"readyReplicas": 2}
    changed = model(2, replicas=1, args={"max-running": 3})
    wish = wish_of(changed, "kubernetes")
    fresh = of_kind(applied(grouped(wish, seen(changed, made, pods))), KIND)
    new = [group(number, pod) for number, pod in enumerate(running(fresh, 1) * 2)]
    plan = grouped(wish, seen(changed, [*made, fresh], [*pods, *new]))
    assert [(each.workload.name, each.count) for each in plan.scale] == [(of_kind(made, KIND)["metadata"]["name"], 0)]


def test_a_job_that_fetches_weights_is_no_replica() -> None:
    manifest, wish, made = first(replicas=1)
    fetches = running(of_kind(made), 1)[0]
    said = {key: value for key, value in labels(fetches).items() if key != REVISION}
    fetches["metadata"]["labels"] = said | {COMPONENT: "weights"}
    plan = planned(seen(manifest, made, [fetches]), wish)
    assert condition(plan, "Ready")[0] is False
    assert plan.status["replicas"] == 0


def test_a_job_that_gave_up_is_made_anew_after_a_while() -> None:
    facts = replace(FACTS, storage=(StorageClass("nfs", "nfs.csi.k8s.io", shared=True),))
    manifest = model(source="hf://org/some-7b", engine="vllm", gpu="24GB..")
    wish = wish_of(manifest, "kubernetes")
    made = applied(planned(seen(manifest, facts=facts), wish))
    job = of_kind(made, "Job")
    failed = {"type": "Failed", "status": "True", "lastTransitionTime": "1970-01-01T00:16:40Z"}
    job["status"] = {"conditions": [failed]}
    early = planned(seen(manifest, made, facts=facts, now=1300.0), wish)
    assert (early.end, early.look_again) == ((), 300.0)
    late = planned(seen(manifest, made, facts=facts, now=1600.0), wish)
    assert [(each.of.kind, each.uid) for each in late.end] == [("Job", job["metadata"]["uid"])]
    assert "gave up" in late.events[0].message
    rest = [each for each in made if each is not job]
    anew = planned(seen(manifest, rest, facts=facts, now=1600.0), wish)
    assert [each.manifest["kind"] for each in anew.apply] == ["Job"]


def test_old_replicas_make_room_one_at_a_time_and_only_if_need_be() -> None:
    _, _, made = first()
    old = of_kind(made)
    changed = model(2, args={"max-running": 3})
    wish = wish_of(changed, "kubernetes")
    fresh = of_kind([each.manifest for each in planned(seen(changed, made, running(old, 2)), wish).apply])
    waits = running(fresh, 2)
    for each in waits:
        del each["spec"]["nodeName"]
        each["status"] = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1"}]}
    held = {each["metadata"]["name"]: Pending(Reason.NO_FREE_GPU, "all taken") for each in waits}
    there = [*made, fresh | {"metadata": fresh["metadata"] | {"uid": "x", "managedFields": _owned(fresh)}}]
    plan = planned(seen(changed, there, [*running(old, 2), *waits], pending=held), wish)
    assert [each.count for each in plan.scale] == [1]
    fits = {name: replace(each, fits_now=True) for name, each in held.items()}
    assert planned(seen(changed, there, [*running(old, 2), *waits], pending=fits), wish).scale == ()
    leaving = running(old, 2)
    leaving[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z"
    old["spec"]["replicas"] = 1
    assert planned(seen(changed, there, [*leaving, *waits], pending=held), wish).scale == ()


@pytest.mark.parametrize("scaler", ["", "HorizontalPodAutoscaler team/theirs"])
def test_who_else_says_how_many_has_the_word(scaler: str) -> None:
    manifest, wish, made = first()
    workload = of_kind(made)
    workload["spec"]["replicas"] = 5
    owned = {"f:spec": {"f:replicas": {}}}
    workload["metadata"]["managedFields"].append({"manager": "kubectl", "operation": "Update", "fieldsV1": owned})
    scalers = {("Deployment", workload["metadata"]["name"]): scaler} if scaler else {}
    plan = planned(seen(manifest, made, running(workload, 5), scalers=scalers), wish)
    assert (plan.apply, plan.scale) == ((), ())
    is_degraded, reason, message = condition(plan, "Degraded")
    assert (is_degraded, reason) == (False, Reason.HELD_BY_OTHERS)
    assert message == f"{scaler or 'kubectl'} says 5 replicas of {workload['metadata']['name']}, the Model 2"
    newer = wish_of(model(2, scale=3), "kubernetes")
    plan = planned(seen(model(2, scale=3), made, running(workload, 5), scalers=scalers), newer)
    assert [each.count for each in plan.scale] == ([] if scaler else [3])


def test_a_model_that_goes_ends_its_workloads_and_then_itself() -> None:
    manifest, _, made = first()
    workload = of_kind(made)
    plan = leave(seen(manifest, made, running(workload, 2)), 1.0)
    assert [each.of for each in plan.end] == [ref(workload)]
    assert plan.finalizers is None
    assert leave(seen(manifest, [], []), 5.0).finalizers == ()
    late = leave(seen(manifest, [], running(workload, 1)), 1000.0)
    assert (late.finalizers, late.events[0].warning) == ((), True)


def test_what_runs_goes_on_when_the_object_cannot_be() -> None:
    manifest, _, made = first()
    plan = stand_still(seen(manifest, made, running(of_kind(made), 2)), Reason.SPEC_INVALID, "spec.gpu: no", "mend it")
    assert (plan.apply, plan.scale, plan.end) == ((), (), ())
    assert condition(plan, "Ready") == (True, Reason.READY, "2 replicas of before answer")
    assert condition(plan, "Degraded") == (True, Reason.SPEC_INVALID, "spec.gpu: no")


def test_a_model_that_somebody_else_serves_has_no_objects() -> None:
    manifest = model(source="openai://api.openai.com/gpt-4o", replicas=1)
    plan = planned(seen(manifest), wish_of(manifest, "kubernetes"))
    assert plan.apply == ()
    assert condition(plan, "Ready")[:2] == (True, Reason.EXTERNAL)


@given(
    scale=st.integers(0, 60),
    ends=st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), min_size=1, max_size=5),
)
def test_scale_is_divided_and_nothing_is_lost(scale: int, ends: list[tuple[int, int]]) -> None:
    ranges = [Replicas(low=min(pair), high=max(pair)) for pair in ends]
    counts = divide(scale, ranges)
    assert sum(counts) == scale
    assert all(count >= 0 for count in counts)
    if sum(each.low for each in ranges) <= scale <= sum(each.high for each in ranges):
        assert all(each.low <= count <= each.high for each, count in zip(ranges, counts, strict=True))


@settings(max_examples=40, deadline=None)
@given(old=st.integers(0, 5), old_ready=st.integers(0, 5), new=st.integers(0, 5), wanted=st.integers(1, 4))
def test_a_roll_never_takes_more_than_is_ready_in_its_place(old: int, old_ready: int, new: int, wanted: int) -> None:
    """By our own doing never fewer answer than are wanted, if so many answered."""
    _, _, made = first(replicas=wanted)
    before = of_kind(made)
    changed = model(2, replicas=wanted, args={"max-running": 3})
    wish = wish_of(changed, "kubernetes")
    fresh = of_kind([each.manifest for each in planned(seen(changed, made, []), wish).apply])
    there = [*made, fresh | {"metadata": fresh["metadata"] | {"uid": "x", "managedFields": _owned(fresh)}}]
    answers = min(old, old_ready)
    pods = running(before, old, ready=False)
    for each in pods[:answers]:
        each["status"]["conditions"][1]["status"] = "True"
    before["spec"]["replicas"] = old
    plan = planned(seen(changed, there, [*pods, *running(fresh, new)]), wish)
    stay = next((each.count for each in plan.scale if each.workload == ref(before)), old)
    assert min(stay, answers) + new >= min(wanted, answers + new)

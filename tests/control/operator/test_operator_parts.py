"""Conditions, what is carried out and in which order, fights with other writers, and that the docs tell the metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from headway.control.operator.carry import Hand
from headway.control.operator.conditions import Condition, turned, written
from headway.control.operator.figures import Figures
from headway.control.operator.plan import Apply, End, Plan, Scale
from headway.policy.decision import Reason
from headway.sites.kubernetes.labels import FINALIZER
from headway.wire.kube.cluster import ApiRefusal, Listing
from headway.wire.kube.manifest import Manifest, Ref
from headway.wire.kube.resource import Resource

ROOT = Path(__file__).parents[3]
OWNER: Manifest = {
    "apiVersion": "headway.dev/v1alpha1",
    "kind": "Model",
    "metadata": {"name": "chat", "namespace": "team", "uid": "u1"},
}
WORKLOAD = Ref("apps/v1", "Deployment", "team", "chat-1")


class Server:
    """What a Hand asks of a Cluster; `refuses`: (verb, kind) -> status."""

    def __init__(self, *there: Manifest, refuses: dict[tuple[str, str], int] | None = None) -> None:
        self.there, self.refuses = there, refuses or {}
        self.asked: list[tuple[str, str]] = []

    async def list(self, of: Resource, *_: Any, **__: Any) -> Listing:
        return Listing([each for each in self.there if each["kind"] == of.kind], "1")

    async def apply(self, manifest: Manifest, **_: Any) -> Manifest:
        return self._do("apply", manifest["kind"], manifest)

    async def patch(self, of: Resource, _name: str, change: Manifest, *_: Any) -> Manifest:
        return self._do("patch", of.kind, change)

    async def delete(self, of: Resource, *_: Any, **__: Any) -> bool:
        return bool(self._do("delete", of.kind, {"": ""}))

    def _do(self, verb: str, kind: str, manifest: Manifest) -> Manifest:
        self.asked.append((verb, kind))
        if status := self.refuses.get((verb, kind)):
            raise ApiRefusal(status, "Invalid", "the server said no")
        return manifest


def child(kind: str = "Service", **metadata: Any) -> Manifest:
    version = {"Deployment": "apps/v1", "Job": "batch/v1"}.get(kind, "v1")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "chat-1", "namespace": "team", **metadata}}


def hand(server: Server) -> Hand:
    return Hand(server, lambda _: None)  # type: ignore[arg-type]


async def test_finalizers_come_first_and_the_rest_in_order() -> None:
    server = Server()
    plan = Plan(
        apply=(Apply(child(), ""), Apply(child("Deployment"), "")),
        scale=(Scale(WORKLOAD, 1, 1, "", Reason.TOO_MANY_REPLICAS),),
        end=(End(WORKLOAD, "c1", ""),),
        finalizers=("headway.dev/drain",),
    )
    done = await hand(server).carry_out(OWNER, plan)
    kinds = [("apply", "Model"), ("apply", "Service"), ("apply", "Deployment"), ("patch", "Deployment")]
    assert server.asked == [*kinds, ("delete", "Deployment")]
    assert (done.writes, done.refused) == (5, ())


async def test_what_is_refused_holds_up_nothing_but_the_end_of_its_owner() -> None:
    server = Server(refuses={("apply", "Service"): 403})
    owner = OWNER | {"metadata": OWNER["metadata"] | {"finalizers": ["headway.dev/drain"]}}
    plan = Plan(apply=(Apply(child(), ""), Apply(child("Deployment"), "")), finalizers=())
    done = await hand(server).carry_out(owner, plan)
    assert server.asked == [("apply", "Service"), ("apply", "Deployment")]
    assert [(each.at.kind, each.message) for each in done.refused] == [("Service", "the server said no")]


async def test_what_others_made_is_not_taken_over() -> None:
    server = Server(child())
    done = await hand(server).carry_out(OWNER, Plan(apply=(Apply(child(), "", is_new=True),)))
    assert server.asked == []
    assert "not Headway's" in done.refused[0].message
    ours = Server(child(labels={"app.kubernetes.io/managed-by": "headway"}))
    assert (await hand(ours).carry_out(OWNER, Plan(apply=(Apply(child(), "", is_new=True),)))).writes == 1


async def test_what_another_model_has_is_not_taken_over() -> None:
    def owned(kind: str, name: str) -> Manifest:
        return child(
            labels={"app.kubernetes.io/managed-by": "headway"},
            ownerReferences=[{"apiVersion": "headway.dev/v1alpha1", "kind": kind, "name": name, "uid": "u"}],
        )

    plan = Plan(apply=(Apply(owned("Model", "chat-app"), "", is_new=True),))
    done = await hand(Server(owned("App", "chat"))).carry_out(OWNER, plan)
    assert "App chat's: rename one of the two" in done.refused[0].message
    assert (await hand(Server(owned("Model", "chat-app"))).carry_out(OWNER, plan)).writes == 1


async def test_nothing_is_put_into_somebody_elses_namespace() -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "research"}}
    server = Server(space)
    done = await hand(server).carry_out(OWNER, Plan(apply=(Apply(space, "", is_new=True), Apply(child(), ""))))
    assert server.asked == []
    assert "kubectl label namespace research app.kubernetes.io/managed-by=headway" in done.refused[0].message


async def test_a_job_that_is_refused_as_such_is_told() -> None:
    server = Server(refuses={("apply", "Job"): 422})
    done = await hand(server).carry_out(OWNER, Plan(apply=(Apply(child("Job"), "", is_new=True),)))
    assert server.asked == [("apply", "Job")]
    assert [each.at.kind for each in done.refused] == ["Job"]


async def test_a_finalizer_that_somebody_else_applied_too_is_taken_off() -> None:
    """What a backup brings back has it in its own name, and an apply without it leaves it there."""

    class Restored(Server):
        async def apply(self, manifest: Manifest, **_: Any) -> Manifest:
            self.asked.append(("apply", manifest["kind"]))
            return manifest | {"metadata": manifest["metadata"] | {"finalizers": HAS, "resourceVersion": "7"}}

        async def patch(self, of: Resource, _name: str, change: Manifest, *_: Any) -> Manifest:
            self.asked.append(("patch", of.kind))
            changes.append(change)
            return OWNER

    changes: list[Manifest] = []
    server = Restored()
    owner = OWNER | {"metadata": OWNER["metadata"] | {"finalizers": HAS}}
    await hand(server).carry_out(owner, Plan(finalizers=()))
    assert server.asked == [("apply", "Model"), ("patch", "Model")]
    assert changes == [{"metadata": {"finalizers": ["other.io/keep"], "resourceVersion": "7"}}]


HAS = [FINALIZER, "other.io/keep"]


async def test_finalizers_of_others_alone_are_no_reason_to_write() -> None:
    server = Server()
    owner = OWNER | {"metadata": OWNER["metadata"] | {"finalizers": ["other.io/keep"]}}
    assert (await hand(server).carry_out(owner, Plan(finalizers=()))).writes == 0


async def test_a_job_that_cannot_change_is_made_anew() -> None:
    server = Server(refuses={("apply", "Job"): 422})
    done = await hand(server).carry_out(OWNER, Plan(apply=(Apply(child("Job"), ""),)))
    assert server.asked == [("apply", "Job"), ("delete", "Job")]
    assert done.refused == ()


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    first = written([Condition("Ready", False, Reason.STARTING, "0 of 1")], [], 1, "t1")
    second = written([Condition("Ready", False, Reason.NO_FREE_GPU, "none", "wait")], first, 2, "t2")
    third = written([Condition("Ready", True, Reason.READY)], second, 2, "t3")
    assert [each[0]["lastTransitionTime"] for each in (first, second, third)] == ["t1", "t1", "t3"]
    assert second[0]["message"] == "none; wait"
    assert second[0]["observedGeneration"] == 2


def test_events_are_told_of_what_turned_and_of_nothing_else() -> None:
    starting = [Condition("Ready", False, Reason.STARTING), Condition("Degraded", False, Reason.AS_WANTED)]
    trouble = [Condition("Ready", True, Reason.READY), Condition("Degraded", True, Reason.NO_FREE_GPU)]
    assert turned(starting, []) == []
    assert turned(trouble, written(starting, [], 1, "t")) == trouble
    assert turned(trouble, written(trouble, [], 1, "t")) == []
    worse = Condition("Degraded", True, Reason.CRASH_LOOP)
    assert turned([worse], written(trouble, [], 1, "t")) == [worse]


def test_every_metric_is_documented() -> None:
    names = set(re.findall(r"^# TYPE (headway_\w+?)(?:_total|_created)? ", Figures().text().decode(), re.MULTILINE))
    told = re.findall(
        r"^\| `(headway_operator_\w+?)(?:_total)?` \|", (ROOT / "docs/operator.md").read_text(), re.MULTILINE
    )
    assert names == set(told)

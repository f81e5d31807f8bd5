"""Which of Headway's objects a change concerns: driven as the mirrors drive it, with no server."""

from __future__ import annotations

from typing import Any

from headway.control.operator import kept
from headway.control.operator.copies import OURS, Copies
from headway.control.operator.index import Index
from headway.control.operator.passes import Passes
from headway.control.operator.settings import OperatorSettings
from headway.policy.decision import Reason
from headway.sites.kubernetes.labels import MODEL, TENANT
from headway.sites.kubernetes.observe import Served
from headway.wire.kube.manifest import Manifest, Ref, ref

GROUPS = frozenset({"autoscaling/v2", "keda.sh/v1alpha1"})


class Watched:
    """Copies whose mirrors are filled by hand."""

    def __init__(self) -> None:
        self.concerned: list[str] = []
        self.copies = Copies(None, Served((1, 36), GROUPS), self._note)  # type: ignore[arg-type]
        mirrors = self.copies._mirrors()
        self._mirrors = {(each._of.api_version, each._of.kind): each for each in mirrors}

    def put(self, manifest: Manifest, *, gone: bool = False) -> list[str]:
        """Which objects the change concerns."""
        at = ref(manifest)
        mirror = self._mirrors[at.api_version, at.kind]
        if gone:
            mirror._objects.pop(at)
        else:
            mirror._objects[at] = manifest
        self.concerned.clear()
        mirror._changed(at)
        return sorted(set(self.concerned))

    def _note(self, at: Ref, _: float) -> None:
        self.concerned.append(f"{at.kind} {at.namespace}/{at.name}")


def own(kind: str, name: str, namespace: str = "team", created: str = "2026-01-01T00:00:00Z", **more: Any) -> Manifest:
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "creationTimestamp": created}
    return {"apiVersion": OURS, "kind": kind, "metadata": metadata | {"generation": 1}, "spec": {}} | more


def service(**metadata: Any) -> Manifest:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "team", **metadata}}


def test_its_own_status_is_no_news_to_a_model_but_to_its_routes() -> None:
    watched = Watched()
    watched.put(own("Route", "best", spec={"to": [{"model": "chat"}]}))
    assert watched.put(own("Model", "chat")) == ["Model team/chat", "Route team/best"]
    assert watched.put(own("Model", "chat", status={"replicas": 1})) == ["Route team/best"]


def test_all_of_one_name_are_concerned_when_one_comes_or_goes() -> None:
    watched = Watched()
    first, later = own("Model", "chat"), own("Route", "chat", "other", "2026-01-02T00:00:00Z")
    watched.put(first)
    assert watched.put(later) == ["Model team/chat", "Route other/chat"]
    assert watched.copies.owner_of("chat") == ref(first)
    watched.put(own("Tenant", "chat", "headway", "2025-01-01T00:00:00Z"))
    assert watched.copies.owner_of("chat") == ref(first)  # a Tenant's name is not one that callers see
    assert "Route other/chat" in watched.put(first, gone=True)
    assert watched.copies.owner_of("chat") == ref(later)


def test_a_child_concerns_its_owner_also_when_it_is_gone() -> None:
    watched = Watched()
    watched.put(own("Model", "chat"))
    child = service(ownerReferences=[{"apiVersion": OURS, "kind": "Model", "name": "chat", "uid": "team-chat"}])
    assert watched.put(child) == ["Model team/chat"]
    assert list(watched.copies.children(own("Model", "chat"))) == [ref(child)]
    assert watched.put(child, gone=True) == ["Model team/chat"]


def test_what_a_tenant_has_concerns_it_from_another_namespace() -> None:
    watched = Watched()
    watched.put(own("Tenant", "legal", "headway"))
    limits = service(labels={TENANT: "legal"})
    assert watched.put(limits) == ["Tenant headway/legal"]
    assert list(watched.copies.tenants("legal")) == [ref(limits)]
    assert watched.put(limits, gone=True) == ["Tenant headway/legal"]


def test_who_waits_is_concerned_by_what_gets_free() -> None:
    watched = Watched()
    watched.put(own("Model", "chat"))
    watched.copies.waiting.add(ref(own("Model", "chat")))
    other = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "job", "namespace": "x"},
        "spec": {"containers": []},
    }
    assert watched.put(other) == []
    assert watched.put(other, gone=True) == ["Model team/chat"]
    assert watched.put(other | {"metadata": other["metadata"] | {"labels": {MODEL: "chat"}, "namespace": "team"}}) == [
        "Model team/chat"
    ]


def test_what_the_cluster_lacked_wakes_who_stands_still_for_it() -> None:
    """By the very passes: the Model names a PriorityClass that is not there, and then it is."""
    watched = Watched()
    lacking = own("Model", "chat", spec={"source": "builtin://mock", "priority": "urgent"})
    watched.put(_node("cores"))
    watched.put(_priority("system-node-critical"))  # every cluster has it
    watched.put(lacking)
    passes = Passes(watched.copies, OperatorSettings("one"))
    plan = passes.plan(lacking)
    assert [(each.type, each.reason) for each in plan.conditions if each.is_true] == [("Degraded", Reason.SPEC_INVALID)]
    assert "urgent" in plan.conditions[0].message
    urgent = _priority("urgent")
    assert watched.put(urgent) == ["Model team/chat"]
    watched.copies.facts(fresh=True)
    assert "Deployment" in [each.manifest["kind"] for each in passes.plan(lacking).apply]
    assert watched.put(urgent, gone=True) == []  # it stands still no more


def _priority(name: str) -> Manifest:
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}


def _node(name: str) -> Manifest:
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": {"cpu": "8", "memory": "32Gi"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}, "status": ready}


def test_whom_an_autoscaler_scales_is_known() -> None:
    watched = Watched()
    watched.put(own("Model", "chat"))
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "chat-1"}}
    for version, kind in (("autoscaling/v2", "HorizontalPodAutoscaler"), ("keda.sh/v1alpha1", "ScaledObject")):
        scaler = {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": "theirs", "namespace": "team"},
            "spec": target,
        }
        assert watched.put(scaler) == ["Model team/chat"]
        found = watched.copies.scalers("team", [{"kind": "Deployment", "metadata": {"name": "chat-1"}}])
        assert found == {("Deployment", "chat-1"): f"{kind} team/theirs"}
        watched.put(scaler, gone=True)


def test_of_other_peoples_pods_only_what_they_take_is_kept() -> None:
    whole = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "b", "managedFields": [1], "annotations": {"long": "x"}},
        "spec": {
            "nodeName": "n",
            "volumes": [1],
            "containers": [{"name": "c", "env": [1], "resources": {"limits": {}}}],
        },
        "status": {"phase": "Running", "conditions": [1]},
    }
    assert kept.pod(whole) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "namespace": "b"},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "resources": {"limits": {}}}]},
        "status": {"phase": "Running"},
    }


def test_an_index_forgets_where_something_was() -> None:
    index = Index(lambda each: each.get("of"))
    at = Ref("v1", "Pod", "a", "b")
    assert index.put(at, {"of": "one"}) == "one"
    assert index.put(at, {"of": "two"}) == "two"
    assert dict(index.get("one")) == {}
    assert index.put(at, None) == "two"
    assert dict(index.get("two")) == {}

"""An object and the copies -> its Plan: gathers what the pure pass of its kind looks at."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from headway.control.operator import model_pass, other_passes
from headway.control.operator.app_pass import AppSeen, app_pass
from headway.control.operator.copies import Copies
from headway.control.operator.model_pass import ModelSeen
from headway.control.operator.plan import Plan
from headway.control.operator.settings import OperatorSettings
from headway.control.operator.wish import Serving, Wish, wish_of
from headway.engines.elsewhere import weights_bytes
from headway.errors import HeadwayError, ResourceError, SpecError
from headway.policy.decision import Reason
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import REVISION
from headway.sites.kubernetes.objects.derived import Derived, told
from headway.sites.kubernetes.objects.model import model_objects
from headway.sites.kubernetes.objects.replica import replica_objects
from headway.sites.kubernetes.pending import Pending, explain
from headway.sites.kubernetes.pods import seconds, seen
from headway.wire.kube.manifest import Manifest, Ref, labels, ref

__all__ = ["Passes"]

FEWER_BITS = ("fp8", "awq", "gptq", "int4", "int8", "w4a16", "w8a8", "bnb", "gguf", "mxfp4", "nvfp4", "4bit", "8bit")


class Passes:
    """A wish is remembered as long as its object's generation stays: it is the same then."""

    def __init__(self, copies: Copies, settings: OperatorSettings) -> None:
        self._copies, self._settings = copies, settings
        self._wishes: dict[Ref, tuple[str, int, Wish]] = {}

    def plan(self, owner: Manifest) -> Plan:
        at = ref(owner)
        if at.kind == "Model":
            return self._model(at, owner)
        try:
            plan = self._other(at, owner)
        except HeadwayError as error:
            self._copies.waiting.add(at)
            return other_passes.invalid(*_fault(error))
        self._copies.waiting.discard(at)
        return plan

    def _other(self, at: Ref, owner: Manifest) -> Plan:
        if at.kind == "Route":
            if taken := self._taken_by(at):
                return other_passes.invalid(*taken)
            return other_passes.route(owner, self._models())
        if at.kind == "App":
            return self._app(at, owner)
        is_read = at.namespace == self._settings.namespace  # one of the same name elsewhere has no objects
        children = self._copies.tenants(at.name) if is_read else {}
        if "deletionTimestamp" in owner["metadata"]:
            return other_passes.leave_tenant(owner, children)
        if is_read and (taken := self._space_taken_by(at, owner)):
            return other_passes.invalid(*taken)
        return other_passes.tenant(owner, children, self._copies.facts(), self._settings.namespace)

    def _app(self, at: Ref, owner: Manifest) -> Plan:
        if "deletionTimestamp" in owner["metadata"]:
            return Plan()  # the cluster collects what it owns
        copies = self._copies
        there = AppSeen(owner, copies.children(owner), copies.pods_of_app(at), copies.volume_of_app(at), copies.facts())
        return app_pass(there, self._settings.site, time.time())

    def _model(self, at: Ref, owner: Manifest) -> Plan:
        there = self._seen(at, owner)
        if deleted := owner["metadata"].get("deletionTimestamp"):
            self._wishes.pop(at, None)
            return model_pass.leave(there, time.time() - seconds(deleted))
        if taken := self._taken_by(at):
            return model_pass.stand_still(there, *taken)
        try:
            wish = self._wish(at, owner)
            there = self._with_pending(at, there, wish)
            return model_pass.decide(there, wish, _derive, _shared)
        except HeadwayError as error:
            self._copies.waiting.add(at)  # what the cluster lacks now may come
            return model_pass.stand_still(there, *_fault(error))

    def _seen(self, at: Ref, owner: Manifest) -> ModelSeen:
        children = self._copies.children(owner)
        scalers = self._copies.scalers(at.namespace, children.values())
        return ModelSeen(owner, children, self._copies.pods(at), self._copies.facts(), scalers, {}, time.time())

    def _with_pending(self, at: Ref, there: ModelSeen, wish: Wish) -> ModelSeen:
        """Why no node takes those that wait. Where older Replicas could make room it must be known as of now."""
        waiting = [pod for pod in there.pods if seen(pod).state is ReplicaState.PENDING]
        (self._copies.waiting.add if waiting else self._copies.waiting.discard)(at)
        if not waiting:
            return there
        wanted = {each.revision.id: each for each in wish.ways}
        rolls = any(labels(pod).get(REVISION) not in wanted for pod in there.pods)
        facts = self._copies.facts(fresh=rolls)
        pending: dict[str, Pending] = {}
        for pod in waiting:
            way = wanted.get(labels(pod).get(REVISION, ""))
            size = _full_weights(way) if way else 0
            pending[pod["metadata"]["name"]] = explain(pod, facts, self._copies.all_pods(), weights_bytes=size)
        return replace(there, pending=pending)

    def _wish(self, at: Ref, owner: Manifest) -> Wish:
        uid, generation = owner["metadata"]["uid"], owner["metadata"].get("generation", 0)
        known = self._wishes.get(at)
        if known is None or known[:2] != (uid, generation):
            known = self._wishes[at] = (uid, generation, wish_of(owner, self._settings.site))
        return known[2]

    def _taken_by(self, at: Ref) -> tuple[Reason, str, str] | None:
        owner = self._copies.owner_of(at.name)
        if owner is None or owner == at:
            return None
        message = f"{owner} has the name {at.name}, and callers could not tell them apart"
        return Reason.NAME_TAKEN, message, "give this one another name, or delete the other"

    def _space_taken_by(self, at: Ref, owner: Manifest) -> tuple[Reason, str, str] | None:
        """Two Tenants of one namespace would each write their limits over the other's, for ever."""
        space = owner["spec"].get("namespace")
        if space == self._settings.namespace:
            return Reason.SPEC_INVALID, f"spec.namespace: {space} is Headway's own", "give the Tenant another one"
        there = self._copies.all_of("Tenant").items()
        alike = {one: each for one, each in there if one.namespace == at.namespace and _space(each) == space}
        first = min(alike, key=lambda one: (alike[one]["metadata"]["creationTimestamp"], one), default=at)
        if not space or first == at:
            return None
        message = f"the namespace {space} is Tenant {first.name}'s"
        return Reason.NAME_TAKEN, message, "give this one another namespace, or delete the other"

    def _models(self) -> Mapping[str, Manifest]:
        there = self._copies.all_of("Model")
        return {at.name: each for at, each in there.items() if self._copies.owner_of(at.name) == at}


def _space(tenant: Manifest) -> str:
    space: str = tenant["spec"].get("namespace") or ""
    return space


def _derive(way: Serving, facts: Facts, namespace: str) -> tuple[Derived, ...]:
    made = replica_objects(way.model, way.revision, facts, namespace=namespace, replicas=way.count)
    return tuple(replace(each, manifest=told(each)) for each in made)


def _shared(wish: Wish, facts: Facts, namespace: str) -> tuple[Derived, ...]:
    return tuple(replace(each, manifest=told(each)) for each in model_objects(wish.model, facts, namespace=namespace))


def _full_weights(way: Serving) -> int:
    """Of 16 bits; 0 where they have fewer already, or nobody knows."""
    uri = way.revision.source.uri
    quantised = any(each in uri.lower() for each in FEWER_BITS) or "quantization" in way.revision.args
    return 0 if quantised else weights_bytes(uri)


def _fault(error: HeadwayError) -> tuple[Reason, str, str]:
    """Of what cannot be as it is written."""
    reason = Reason.NO_SUCH_GPU if isinstance(error, ResourceError) else Reason.SPEC_INVALID
    where = f"spec.{error.field}: " if isinstance(error, SpecError) and error.field else ""
    return reason, f"{where}{error.message}", error.hint

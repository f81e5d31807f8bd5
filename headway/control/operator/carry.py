"""Carrying out a Plan: finalizers first, then what shall be, then how many, then what shall not be; finalizers last.

Each write may be the last one before a kill: every order of done and not done is one that the next pass mends. What the
API server refuses does not keep the rest from being done; that it does not answer at all does, and is raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from headway.control.operator.plan import Apply, End, Plan, Scale
from headway.sites.kubernetes.labels import FINALIZER, MANAGED, WANTED
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref, labels, ref
from headway.wire.kube.resource import GROUP, resource

__all__ = ["Hand", "Outcome", "Refused"]

log = logging.getLogger(__name__)

MADE_ANEW = ("Job", "ResourceClaimTemplate")
"""Their content never changes; one that shall be otherwise is another one under the same name."""


@dataclass(frozen=True, slots=True)
class Refused:
    at: Ref
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    writes: int = 0
    refused: tuple[Refused, ...] = ()


class Hand:
    """`written`: called with what the server answered, so that copies need not wait for the watch."""

    def __init__(self, cluster: Cluster, written: Callable[[Manifest], None]) -> None:
        self._cluster, self._written = cluster, written

    async def carry_out(self, owner: Manifest, plan: Plan) -> Outcome:
        has = tuple(owner["metadata"].get("finalizers") or ())
        writes = 0
        refused: list[Refused] = []
        if plan.finalizers and not set(plan.finalizers) <= set(has):
            await self._finalize(owner, plan.finalizers)
            writes += 1
        todo: tuple[Apply | Scale | End, ...] = (*plan.apply, *plan.scale, *plan.end)
        for each in todo:
            try:
                await self._do(each)
                writes += 1
            except ApiRefusal as refusal:
                at = _of(each)
                log.warning("%s: %s", at, refusal)
                refused.append(Refused(at, str(refusal)))
                if isinstance(each, Apply) and at.kind == "Namespace":
                    break  # what is in somebody else's is not ours to limit
        if plan.finalizers == () and FINALIZER in has and not refused:
            await self._finalize(owner, ())
            writes += 1
        return Outcome(writes, tuple(refused))

    async def _do(self, each: Apply | Scale | End) -> None:
        log.info("%s: %s", _of(each), each.why)
        if isinstance(each, Apply):
            await self._apply(each)
        elif isinstance(each, Scale):
            await self._scale(each)
        else:
            of = resource(each.of.kind, each.of.api_version)
            await self._cluster.delete(of, each.of.name, each.of.namespace, uid=each.uid)

    async def _apply(self, wanted: Apply) -> None:
        at = ref(wanted.manifest)
        of = resource(at.kind, at.api_version)
        if wanted.is_new:
            for there in (await self._cluster.list(of, at.namespace, fields=f"metadata.name={at.name}")).items:
                _refuse_others(at, there, wanted.manifest)
        try:
            self._written(await self._cluster.apply(wanted.manifest))
        except ApiRefusal as refusal:
            if refusal.status != 422 or at.kind not in MADE_ANEW or wanted.is_new:
                raise
            await self._cluster.delete(of, at.name, at.namespace)  # the next pass makes it anew

    async def _scale(self, wanted: Scale) -> None:
        change = {"metadata": {"annotations": {WANTED: str(wanted.wanted)}}, "spec": {"replicas": wanted.count}}
        at = wanted.workload
        self._written(await self._cluster.patch(resource(at.kind, at.api_version), at.name, change, at.namespace))

    async def _finalize(self, owner: Manifest, finalizers: tuple[str, ...]) -> None:
        """By uid: one that is gone must not come back as an empty one. Others' finalizers stay."""
        metadata = {key: owner["metadata"][key] for key in ("name", "namespace", "uid")}
        said = {"finalizers": list(finalizers)} if finalizers else {}
        manifest = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": metadata | said}
        try:
            there = await self._cluster.apply(manifest)
            if not finalizers and FINALIZER in (there["metadata"].get("finalizers") or ()):
                there = await self._take_off(there)
            self._written(there)
        except ApiRefusal as refusal:
            if refusal.status not in (404, 409) or finalizers:  # it is gone already, or changed: another pass comes
                raise

    async def _take_off(self, there: Manifest) -> Manifest:
        """A finalizer that somebody else applied too (a backup, `kubectl apply` of what `kubectl get` told) is not
        given up with our own apply. By version: a list is patched whole, and others may be on it."""
        at = ref(there)
        rest = [each for each in there["metadata"]["finalizers"] if each != FINALIZER]
        change = {"metadata": {"finalizers": rest, "resourceVersion": there["metadata"]["resourceVersion"]}}
        return await self._cluster.patch(resource(at.kind, at.api_version), at.name, change, at.namespace)


def _refuse_others(at: Ref, there: Manifest, wanted: Manifest) -> None:
    """An object that somebody else made under the name that ours would have is never taken over; nor one of another
    Model or App, as App `chat` and Model `chat-app` would have."""
    of = _owners(there)
    if of and not set(of) & set(_owners(wanted)):
        raise ApiRefusal(409, "AlreadyExists", f"{at} is there already and {' '.join(of[0])}'s: rename one of the two")
    if labels(there).get(MANAGED) != "headway":
        action = "rename the Model, or delete it"
        if at.kind == "Namespace":
            action = f"name another, or give it over: kubectl label namespace {at.name} {MANAGED}=headway"
        raise ApiRefusal(409, "AlreadyExists", f"{at} is there already and not Headway's: {action}")


def _owners(manifest: Manifest) -> list[tuple[str, str]]:
    """Of Headway's kinds, by name: one that was deleted and made anew has its own again."""
    owners = manifest["metadata"].get("ownerReferences") or ()
    return [(each["kind"], each["name"]) for each in owners if each["apiVersion"].startswith(f"{GROUP}/")]


def _of(each: Apply | Scale | End) -> Ref:
    if isinstance(each, Apply):
        return ref(each.manifest)
    return each.workload if isinstance(each, Scale) else each.of

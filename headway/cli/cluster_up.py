"""`headway up FILE --on SITE`: the file's objects into the cluster by server-side apply, then their way until they
answer, as the operator tells it.

What a person's command writes is what the file says and no more; other fields (a `scale` that an autoscaler wrote) are
not its own. A field that somebody else wrote differently is a fault that names them, unless `--force` is given.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from headway.cli.app_secret import ensure_secret
from headway.cli.cluster_state import gateway_of
from headway.cli.follow import Shown
from headway.cli.on import CLI_MANAGER, SYSTEM, Place, on_cluster
from headway.cli.progress import PROMPTS, view
from headway.control.cluster_view import model_view
from headway.control.waiting import first_of
from headway.errors import EngineError, SpecError, UsageError
from headway.sites.base import Replica
from headway.sites.kubernetes.gateway_address import inside
from headway.sites.kubernetes.objects.custom import custom
from headway.sites.kubernetes.site import KubernetesSite
from headway.spec.app import App
from headway.spec.model import Model
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref, ref
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource

if TYPE_CHECKING:
    from headway.spec.kinds import SpecObject

__all__ = ["as_there", "up_there"]

LOOK_AGAIN = 5.0
"""Seconds without news until it is looked at all the same: for messages that say how long something takes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of this call; `timeout` in seconds, 0 = none."""

    prune: bool
    force: bool
    detach: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class Applied:
    ref: Ref
    change: str  # added, changed, unchanged


def up_there(
    where: Place,
    objects: Sequence[SpecObject],
    places: Mapping[str, str],
    *,
    prune: bool,
    force: bool,
    detach: bool,
    timeout: float,
) -> None:
    """Prints what came of it. Raises SpecError for what the API server refuses, EngineError for a Model that will not
    answer; what was applied stays."""
    asked = Asked(prune, force, detach, timeout)
    try:
        on_cluster(where, lambda cluster: _up(cluster, where, objects, places, asked))
    except KeyboardInterrupt:
        print(f"it stays as it was applied; see headway ls{where.flag}", file=sys.stderr)
        raise


def as_there(found: SpecObject, where: Place, namespace: str) -> Manifest:
    """The object that a cluster gets: with the Site's defaults under it, and a profile of the Site's very name over it
    (the operator knows the profile of its kind, and not what this person calls the place)."""
    if isinstance(found, Model):
        if where.defaults is not None:
            found = found.over(where.defaults)
        if where.name in found.profiles:
            found = found.on(where.name, "kubernetes").model_copy(update={"profiles": {}})
    return custom(found, SYSTEM if found.kind == "Tenant" else namespace)


async def _up(
    cluster: Cluster, where: Place, objects: Sequence[SpecObject], places: Mapping[str, str], asked: Asked
) -> None:
    applied = []
    for each in objects:
        applied.append(await _apply(cluster, as_there(each, where, cluster.namespace), places, force=asked.force))
    await _give_keys(cluster, objects)
    with view() as shown:
        for gone in await _prune(cluster, objects) if asked.prune else ():
            shown.removed(gone)
        address = await gateway_of(cluster)
        models = [each for each in applied if each.ref.kind == "Model"]
        if not asked.detach:
            await _follow(cluster, where, models, f"{address or inside(SYSTEM)}/v1", asked.timeout, shown)
    for done in applied:
        if asked.detach or done.ref.kind != "Model":
            print(f"{done.ref.name}  {done.ref.kind.lower()}  {done.change}")
    _say_what_next(where, objects, address)


async def _apply(cluster: Cluster, manifest: Manifest, places: Mapping[str, str], *, force: bool) -> Applied:
    at = ref(manifest)
    of = resource(at.kind, at.api_version)
    try:
        before = await cluster.get(of, at.name, at.namespace)
        after = await cluster.apply(manifest, force=force)
    except ApiRefusal as refusal:
        raise _told(refusal, at, places.get(at.name, "")) from None
    same = before is not None and before["metadata"]["generation"] == after["metadata"]["generation"]
    return Applied(at, "unchanged" if same else "changed" if before else "added")


async def _give_keys(cluster: Cluster, objects: Sequence[SpecObject]) -> None:
    """To Apps, once the Tenants are there. Who may not do it is told so; the App is there and waits for it."""
    for each in objects:
        if isinstance(each, App) and (manifest := await cluster.get(resource("App"), each.name)) is not None:
            try:
                await ensure_secret(cluster, each, manifest, time.time())
            except UsageError as error:
                print(f"{each.name}: {error}", file=sys.stderr)


def _told(refusal: ApiRefusal, at: Ref, place: str) -> Exception:
    file, _, line = place.rpartition(":")
    where: dict[str, Any] = {"file": file, "line": int(line)} if line.isdigit() else {}
    if refusal.status == 404 and "namespace" in refusal.message:
        hint = f"make it: kubectl create namespace {at.namespace}; or name another in the Site"
        return UsageError(f"there is no namespace {at.namespace}", hint=hint)
    if refusal.status == 404:
        return UsageError(f"the cluster has no kind {at.kind}", hint="headway install puts it there")
    if refusal.status == 409:
        message = f"somebody else wrote some of it: {refusal.message}"
        return SpecError(message, hint="leave it to them, or take it over: --force", field=at.name, **where)
    if refusal.status == 422:
        return SpecError(refusal.message, hint="correct it", field=at.name, **where)
    return refusal


async def _prune(cluster: Cluster, objects: Sequence[SpecObject]) -> list[str]:
    """What this command once applied there, of the kinds that the file names, and the file does not name any more."""
    names = {(each.kind, each.name) for each in objects}
    gone = []
    for kind in dict.fromkeys(each.kind for each in objects):
        of = resource(kind)
        for each in (await cluster.list(of, SYSTEM if kind == "Tenant" else cluster.namespace)).items:
            metadata = each["metadata"]
            ours = any(owner.get("manager") == CLI_MANAGER for owner in metadata.get("managedFields") or ())
            if ours and (kind, metadata["name"]) not in names:
                await cluster.delete(of, metadata["name"], metadata["namespace"], uid=metadata["uid"])
                gone.append(metadata["name"])
    return gone


async def _follow(
    cluster: Cluster, where: Place, applied: Sequence[Applied], address: str, timeout: float, shown: Shown
) -> None:
    """Until every Model answers. `timeout` in seconds, 0 = none."""
    news = asyncio.Event()
    models = Mirror(cluster, resource("Model"), lambda _: news.set(), namespace=cluster.namespace)
    site = KubernetesSite(cluster, name=where.name, namespace=cluster.namespace)
    waiting, began = {each.ref: each for each in applied}, time.monotonic()
    try:
        await asyncio.gather(models.open(), site.open())
        while True:
            news.clear()
            for at, of in list(waiting.items()):
                if _look(models.objects.get(at), site.replicas(), of, where, address, shown):
                    del waiting[at]
            if not waiting:
                return
            left = timeout - (time.monotonic() - began) if timeout else LOOK_AGAIN
            if left <= 0:
                late = next(iter(waiting)).name
                raise EngineError(f"{late}: not ready within {timeout:g} s", hint=f"headway status {late}{where.flag}")
            await first_of(site.changed(min(left, LOOK_AGAIN)), news.wait())
    finally:
        await asyncio.gather(models.close(), site.close())


def _look(
    manifest: Manifest | None, replicas: Sequence[Replica], of: Applied, where: Place, address: str, shown: Shown
) -> bool:
    """Whether it answers. Raises EngineError for one that will not by waiting."""
    name = of.ref.name
    if manifest is None:
        raise EngineError(f"{name}: taken down by somebody else", hint=f"headway ls{where.flag}")
    own = [each for each in replicas if each.model == name]
    told = msgspec.to_builtins(model_view(manifest, own, address, where.name))
    if told["state"] == "ready":
        shown.ready(told, of.change)
        return True
    if told["state"] == "failed":
        raise EngineError(f"{name}: {told['message']}", hint=told["next_action"])
    shown.show(told)
    return False


def _say_what_next(where: Place, objects: Sequence[SpecObject], address: str) -> None:
    models = [each for each in objects if isinstance(each, Model)]
    if models and not address:
        print(f"the gateway has no address outside the cluster; headway chat{where.flag} goes through the API server")
    if models:
        prompt = PROMPTS.get(models[0].task or "chat")
        asked = f'headway chat {models[0].name} "{prompt}"' if prompt else f"headway status {models[0].name}"
        print(f"Try: {asked}{where.flag}")
    for each in objects:
        if each.kind == "Tenant":
            print(f"Give it a key: headway key new {each.name}{where.flag}")

"""A cluster as it is told: Models, Routes and Tenants of the API server, and their Replicas -> what commands show.

The same values as of this machine (`snapshot`), so that `ls`, `status` and `explain` show both alike. The operator's
conditions are what speaks; where it has not looked yet, that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headway.control.replica_view import model_state, replica_view
from headway.control.snapshot import (
    AppView,
    ModelState,
    ModelView,
    ReplicaView,
    RouteView,
    TenantView,
    UsedView,
    VariantView,
)
from headway.control.tenant_view import shown
from headway.engines.registry import Revised, revise_elsewhere
from headway.errors import HeadwayError
from headway.policy.decision import Reason
from headway.sites.base import Replica, ReplicaState
from headway.sites.kubernetes.pods import condition, seconds
from headway.sites.kubernetes.read import created, read_app, read_model, read_route, read_tenant, scale_of
from headway.spec.model import Model
from headway.wire.kube.manifest import Manifest

__all__ = ["app_view", "model_view", "route_view", "tenant_view"]

NOT_LOOKED = "the operator has not looked at it yet"
NO_OPERATOR = "see whether it runs: headway doctor"


def model_view(manifest: Manifest, replicas: Sequence[Replica], address: str, site: str) -> ModelView:
    """`replicas`: of this Model; `address`: base URL of the gateway that ends in /v1; `site`: whose profile counts."""
    try:
        model = read_model(manifest, site)
        ways = {name: revise_elsewhere(each, name) for name, each in model.ways.items()}
    except HeadwayError as error:  # a spec that the API server took and Headway does not
        return _unreadable(manifest, str(error), address)
    first = next(iter(ways.values()))
    counts = {name: each.replicas.wanted for name, each in model.ways.items()}
    wanted = sum(counts.values()) if model.variants or (scale := scale_of(manifest)) is None else scale
    revisions = {each.revision.id: name for name, each in ways.items()}
    ready = [each for each in replicas if each.state is ReplicaState.READY]
    state, reason, message, next_action = _told(manifest, wanted, replicas, revisions)
    return ModelView(
        name=model.name,
        state=state,
        reason=reason,
        message=message,
        next_action=next_action,
        task=first.revision.task,
        engine=first.revision.engine,
        source=first.revision.source.uri,
        revision=first.revision.id,
        address=address,
        replicas_wanted=wanted,
        replicas_ready=len(ready),
        since=max((each.since for each in replicas if each.revision in revisions), default=created(manifest)),
        replicas=_replica_views(replicas, revisions),
        derived={} if model.variants else dict(first.derived),
        variants=_variants(model, ways, counts, ready),
    )


def route_view(manifest: Manifest, models: Mapping[str, ModelState], address: str) -> RouteView:
    """Raises SpecError for a spec that nobody can read."""
    route = read_route(manifest)
    return RouteView(
        name=route.name,
        route=route.model_dump(mode="json", exclude_defaults=True) | {"kind": "Route"},
        models={name: models.get(name, "absent") for name in route.models},
        spent={},
        address=address,
        origin=f"namespace {manifest['metadata']['namespace']}",
        since=created(manifest),
    )


def app_view(manifest: Manifest, site: str) -> AppView:
    """As the operator's conditions tell it. Raises SpecError for a spec that nobody can read."""
    app, status = read_app(manifest, site), manifest.get("status") or {}
    told, degraded = condition(manifest, "Ready"), condition(manifest, "Degraded")
    ready, asleep = told.get("status") == "True", told.get("reason") == Reason.IDLE
    failed = degraded.get("status") == "True"
    return AppView(
        name=app.name,
        state="ready" if ready else "asleep" if asleep else "failed" if failed else "starting",
        reason=told.get("reason", Reason.PREPARING),
        message=told.get("message", NOT_LOOKED),
        next_action="" if told else NO_OPERATOR,
        program=app.preset or " ".join(app.whole.command) or app.whole.image,
        tenant=app.tenant or "",
        revision="",
        address=status.get("url", "") if ready else "",
        replicas_wanted=int(not asleep),
        replicas_ready=status.get("readyReplicas", 0),
        since=seconds(told.get("lastTransitionTime", "")) or created(manifest),
        replicas=[],
        idle=app.idle,
        used=seconds(status.get("lastUsed", "")) or None,
    )


def tenant_view(manifest: Manifest, keys: int) -> TenantView:
    """What it may; what it used is the ledger's, which the gateways have. Raises SpecError."""
    unknown = UsedView("", 0, 0, 0)
    origin = f"namespace {manifest['metadata']['namespace']}"
    tenant = read_tenant(manifest)
    return shown(tenant, keys=keys, origin=origin, since=created(manifest), day=unknown, month=unknown)


def _told(
    manifest: Manifest, wanted: int, replicas: Sequence[Replica], revisions: Mapping[str, str]
) -> tuple[ModelState, str, str, str]:
    """State, reason, message and next action."""
    status, metadata = manifest.get("status") or {}, manifest["metadata"]
    if metadata.get("deletionTimestamp"):
        return "stopping", "NotWanted", "not wanted any more; its last requests are ending", ""
    current = [each for each in replicas if each.revision in revisions]
    ready = [each for each in replicas if each.state is ReplicaState.READY]
    state, said = model_state(wanted, current, ready), condition(manifest, "Ready")
    if not said or status.get("observedGeneration", 0) < metadata.get("generation", 0):
        return ("preparing" if state == "ready" else state), "Preparing", NOT_LOOKED, NO_OPERATOR
    if said["status"] == "True":
        if not replicas:  # somebody else serves it, or this user may not see pods
            state = "ready"
        degraded = condition(manifest, "Degraded")
        if state == "degraded" and degraded.get("status") == "True":
            return state, degraded["reason"], *_parted(degraded["message"], status)
        message = said["message"] or f"{len(ready)} of {wanted} replicas answer"
        return state, said["reason"], *_parted(message, status)
    hopeless = condition(manifest, "Progressing").get("status") == "False"
    state = "failed" if hopeless else "starting" if state in ("ready", "degraded") else state
    return state, said["reason"], *_parted(said["message"], status)


def _parted(message: str, status: Mapping[str, Any]) -> tuple[str, str]:
    """A condition's message ends with the next action, as kubectl's readers need it; here each is told once."""
    action = str(status.get("next", ""))
    return (message.removesuffix(action).removesuffix("; ") or message if action else message), action


def _variants(
    model: Model, ways: Mapping[str, Revised], counts: Mapping[str, int], ready: Sequence[Replica]
) -> list[VariantView]:
    if not model.variants:
        return []
    prices = {name: each.price for name, each in model.ways.items()}
    return [
        VariantView(
            name=name,
            revision=made.revision.id,
            engine=made.revision.engine,
            source=made.revision.source.uri,
            replicas_wanted=counts[name],
            replicas_ready=sum(each.revision == made.revision.id for each in ready),
            derived=dict(made.derived),
            price=price.model_dump(mode="json", exclude_none=True) if (price := prices[name]) else None,
        )
        for name, made in ways.items()
    ]


def _replica_views(replicas: Iterable[Replica], revisions: Mapping[str, str]) -> list[ReplicaView]:
    ordered = sorted(replicas, key=lambda each: each.name)
    return [replica_view(each, revisions.get(each.revision, "")) for each in ordered]


def _unreadable(manifest: Manifest, why: str, address: str) -> ModelView:
    spec: dict[str, Any] = manifest.get("spec") or {}
    return ModelView(
        name=manifest["metadata"]["name"],
        state="failed",
        reason="PrepareFailed",
        message=why,
        next_action="correct the file and headway up it again",
        task=str(spec.get("task", "")),
        engine=str(spec.get("engine", "")),
        source=str(spec.get("source", "")),
        revision="",
        address=address,
        replicas_wanted=0,
        replicas_ready=0,
        since=created(manifest),
        replicas=[],
        derived={},
    )

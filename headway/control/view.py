"""The world as it is told: Site, store and gateway -> Snapshot."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict

import headway
from headway.control.app_view import app_view
from headway.control.loop import ControlLoop
from headway.control.replica_view import TELLING, model_state, progress_of, replica_view, url_host
from headway.control.route_view import route_views
from headway.control.settings import ControlSettings
from headway.control.snapshot import (
    AppView,
    ControlView,
    DecisionView,
    GatewayView,
    ModelState,
    ModelView,
    RouteView,
    SiteView,
    Snapshot,
    TenantView,
    VariantView,
)
from headway.control.tenant_view import tenant_views
from headway.gateway.record import Stats
from headway.sites.base import Inventory, Replica, ReplicaState
from headway.store.journal import RecordedDecision
from headway.store.models import DesiredModel, Way

__all__ = ["View", "decision_view"]


class View:
    """Builds Snapshots; remembers only the token counts of the last seconds, for the rate."""

    def __init__(self, control: ControlLoop, settings: ControlSettings) -> None:
        self._control, self._settings = control, settings
        self._started = time.time()
        self._tokens: deque[tuple[float, int]] = deque()

    def snapshot(self) -> Snapshot:
        seen = self._control.observation
        now = time.time()
        by_model: dict[str, list[Replica]] = {}
        for each in self._control.site.replicas():
            by_model.setdefault(each.model, []).append(each)
        models = [self.model(wanted, by_model.get(name, [])) for name, wanted in sorted(seen.desired.items())]
        known = seen.desired.keys() | seen.apps.keys()
        stopping = [_stopping(name, each) for name, each in sorted(by_model.items()) if name not in known]
        return Snapshot(
            at=now,
            control=self._control_view(),
            gateway=self._gateway_view(seen.stats, now),
            site=_site_view(self._control.site.name, self._control.site.kind, seen.inventory),
            models=models + stopping,
            decisions=[decision_view(each) for each in self._control.journal.decisions()],
            tenants=tenant_views(self._control.wanted, now),
            routes=route_views(self._control.wanted, {each.name: each.state for each in models}, self._address, now),
            apps=[self._app(name, by_model.get(name, [])) for name in sorted(seen.apps)],
        )

    @property
    def _address(self) -> str:
        """As callers use it."""
        return f"{self._control.gateway.address}/v1"

    def route(self, name: str) -> RouteView | None:
        return next((each for each in self.snapshot().routes if each.name == name), None)

    def app(self, name: str) -> AppView | None:
        return next((each for each in self.snapshot().apps if each.name == name), None)

    def _app(self, name: str, replicas: Sequence[Replica]) -> AppView:
        wanted, apps = self._control.observation.apps[name], self._control.apps
        return app_view(wanted, replicas, apps.tenant(wanted.app), apps.used_at(name))

    def tenant(self, name: str) -> TenantView:
        """Of a Tenant that there is."""
        return next(each for each in tenant_views(self._control.wanted, time.time()) if each.name == name)

    def gateway_address(self) -> str:
        """Base URL, without `/v1`."""
        return self._control.gateway.address

    def model(self, wanted: DesiredModel, replicas: Sequence[Replica]) -> ModelView:
        model, revision, count = wanted.model, wanted.revision, wanted.wanted
        variants = {way.revision.id: way.revision.variant for way in wanted.ways}
        current = [each for each in replicas if each.revision in variants]
        ready = [each for each in replicas if each.state is ReplicaState.READY]
        telling = min(current, key=lambda each: TELLING.index(each.state), default=None)
        state = model_state(count, current, ready)
        return ModelView(
            name=model.name,
            state=state,
            reason=telling.reason if telling and state != "ready" else "Ready" if state == "ready" else "Preparing",
            message=_message(state, count, ready, telling),
            next_action=telling.next_action if telling and state != "ready" else "",
            task=revision.task,
            engine=revision.engine,
            source=revision.source.uri,
            revision=revision.id,
            address=self._address,
            replicas_wanted=count,
            replicas_ready=len(ready),
            since=max((each.since for each in current), default=wanted.created),
            replicas=[
                replica_view(each, variants.get(each.revision, ""))
                for each in sorted(replicas, key=lambda each: each.name)
            ],
            derived={} if revision.variant else dict(wanted.derived),
            progress=progress_of(telling.progress) if telling and telling.progress else None,
            variants=[_variant_view(way, ready) for way in wanted.ways if way.revision.variant],
        )

    def _control_view(self) -> ControlView:
        return ControlView(
            pid=os.getpid(),
            version=headway.__version__,
            started_at=self._started,
            page=f"http://{url_host(self._settings.host)}:{self._settings.page_port}",
            state_dir=str(self._settings.state.root),
        )

    def _gateway_view(self, stats: Stats | None, now: float) -> GatewayView:
        address = f"{self._control.gateway.address}/v1"
        if stats is None:
            return GatewayView("starting", address, None, "the gateway does not answer yet", 0, 0, 0, 0, 0, 0.0)
        return GatewayView(
            state="ready",
            address=address,
            pid=stats.pid,
            message="",
            table_version=stats.table_version,
            running=stats.running,
            waiting=stats.waiting,
            requests_total=stats.requests_total,
            failures_total=stats.failures_total,
            tokens_per_second=self._rate(now, stats.completion_tokens_total),
        )

    def _rate(self, now: float, tokens: int) -> float:
        """Tokens/s over the window; a gateway that was started anew counts from 0."""
        if self._tokens and tokens < self._tokens[-1][1]:
            self._tokens.clear()
        self._tokens.append((now, tokens))
        while len(self._tokens) > 2 and now - self._tokens[0][0] > self._settings.rate_window:
            self._tokens.popleft()
        first, count = self._tokens[0]
        return (tokens - count) / (now - first) if now > first else 0.0


def decision_view(recorded: RecordedDecision) -> DecisionView:
    made = recorded.decision
    return DecisionView(
        recorded.at, made.object, made.action, made.reason, made.message, dict(made.numbers), made.look_again
    )


def _message(state: ModelState, wanted: int, ready: Sequence[Replica], telling: Replica | None) -> str:
    if state == "ready":
        return f"{len(ready)} of {wanted} replicas answer"
    if telling is None:
        return "no replica yet"
    return f"{len(ready)} of {wanted} replicas answer; {telling.message}" if state == "degraded" else telling.message


def _stopping(name: str, replicas: Sequence[Replica]) -> ModelView:
    """A Model that nobody wants any more while its last Replicas end."""
    first = replicas[0]
    return ModelView(
        name=name,
        state="stopping",
        reason="NotWanted",
        message="not wanted any more; its last requests are ending",
        next_action="",
        task="",
        engine="",
        source="",
        revision=first.revision,
        address="",
        replicas_wanted=0,
        replicas_ready=0,
        since=first.since,
        replicas=[replica_view(each) for each in replicas],
        derived={},
    )


def _variant_view(way: Way, ready: Sequence[Replica]) -> VariantView:
    return VariantView(
        name=way.revision.variant,
        revision=way.revision.id,
        engine=way.revision.engine,
        source=way.revision.source.uri,
        replicas_wanted=way.replicas,
        replicas_ready=sum(each.revision == way.revision.id for each in ready),
        derived=dict(way.derived),
        price=way.price.model_dump(mode="json", exclude_none=True) if way.price else None,
    )


def _site_view(name: str, kind: str, inventory: Inventory) -> SiteView:
    return SiteView(
        name=name,
        kind=kind,
        cores=inventory.cores,
        memory_bytes=inventory.memory_bytes,
        free_memory_bytes=inventory.free_memory_bytes,
        accelerators=[asdict(each) for each in inventory.accelerators],
        notes=list(inventory.notes),
    )

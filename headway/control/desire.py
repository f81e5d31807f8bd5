"""What a user may ask of the control process: want these Models, Routes and Tenants, want them no more.

`apply` answers when the wish is on disk with every source pinned to exact content; from then on the loop works on it,
through kills and restarts. A wish that cannot be pinned changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headway.control.apps import tenant_of
from headway.control.loop import ControlLoop
from headway.control.settings import ControlSettings
from headway.engines import registry
from headway.errors import HeadwayError, SpecError, UsageError
from headway.spec.app import App
from headway.spec.check import as_one
from headway.spec.fault import Fault
from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.tenant import Tenant
from headway.spec.together import faults_between
from headway.store.models import Change, DesiredModel

__all__ = ["Desire"]


class Desire:
    def __init__(self, control: ControlLoop, settings: ControlSettings) -> None:
        self._control, self._settings = control, settings
        self._one_at_a_time = asyncio.Lock()

    async def apply(
        self,
        models: Sequence[Model],
        tenants: Sequence[Tenant],
        routes: Sequence[Route] = (),
        apps: Sequence[App] = (),
        *,
        prune: bool,
        origin: str,
        places: Mapping[str, str] | None = None,
    ) -> list[Change]:
        """Pin every source, then want all of it in one transaction. Raises the first fault; nothing changes then.
        `places`: where each object stands, as file:line."""
        places = places or {}
        async with self._one_at_a_time:
            known = self._control.models.all()
            self._check(models, tenants, routes, apps, known, prune=prune, places=places)
            pins = (self._pin(each, known.get(each.name), places.get(each.name, origin)) for each in models)
            wanted = await asyncio.gather(*pins)
            changes = self._control.wanted.apply(
                wanted, tenants, routes, prune=prune, origin=origin, now=time.time(), places=places
            )
            changes += self._want_apps(apps, prune=prune, places=places)
        self._control.poke()
        await self._control.passed()
        return changes

    async def remove(self, name: str | None, grace: float) -> list[str]:
        """Want it no more; return when its Replicas are gone. None: no Model at all; Tenants and keys stay, so that
        who comes next does not find the gateway open."""
        if name is not None and name in self._control.wanted.tenants.all():
            return await self._remove_tenant(name)
        if name is not None and self._control.wanted.routes.remove(name):
            self._control.poke()
            await self._control.passed()
            return [name]
        async with self._one_at_a_time:
            there = {each.model for each in self._control.site.replicas()}
            wanted = {**self._control.models.all(), **self._control.apps.all()}
            if name is not None and name not in wanted and name not in there:
                known = ", ".join(self._control.models.all()) or "none"
                raise UsageError(f"no model {name!r} here", hint=f"models: {known}")
            if name is None:
                for route in self._control.wanted.routes.all():
                    self._control.wanted.routes.remove(route)
            gone = [*self._control.models.remove(name), *self._remove_apps(name)]
        self._control.poke()
        deadline = self._settings.drain_deadline + self._settings.stop_grace + grace
        try:
            async with asyncio.timeout(deadline):
                while any(name in (None, each.model) for each in self._control.site.replicas()):
                    await self._control.passed()
        except TimeoutError:
            raise HeadwayError(
                f"{name or 'some replicas'} did not end within {deadline:.0f} s",
                hint="see headway ls and headway logs",
            ) from None
        return gone

    def _want_apps(self, apps: Sequence[App], *, prune: bool, places: Mapping[str, str]) -> list[Change]:
        """After the Tenants, whose keys they get; who is there already gets another key with another Tenant."""
        control, now = self._control, time.time()
        here = [each.on(control.site.name, control.site.kind) for each in apps]
        wanted = [(each, control.apps.revise(each, now)) for each in here]
        changes = control.wanted.apps.apply(wanted, prune=prune and bool(apps), places=places, now=now)
        for each in changes:
            if each.change == "removed":
                control.apps.forget(each.name, now)
            elif each.change == "unchanged":
                control.apps.wake(each.name)
        control.apps.settle(now)
        return changes

    def _remove_apps(self, name: str | None) -> list[str]:
        gone = [each for each in self._control.apps.all() if name in (None, each)]
        for each in gone:
            self._control.wanted.apps.remove(each)
            self._control.apps.forget(each, time.time())
        return gone

    async def _remove_tenant(self, name: str) -> list[str]:
        async with self._one_at_a_time:
            left = self._control.wanted.tenants.all().keys() - {name}
            if not left and self._control.models.all():
                self._refuse_open_gateway("the last Tenant stays")
            self._control.wanted.tenants.remove(name, time.time())
            self._control.apps.settle(time.time())
        self._control.poke()
        await self._control.passed()
        return [name]

    def _check(
        self,
        models: Sequence[Model],
        tenants: Sequence[Tenant],
        routes: Sequence[Route],
        apps: Sequence[App],
        known: dict[str, DesiredModel],
        *,
        prune: bool,
        places: Mapping[str, str],
    ) -> None:
        """What would then be wanted, together: names, prices for budgets in money, and who may reach the gateway."""
        all_models = {} if prune and models else {name: each.model for name, each in known.items()}
        there = self._control.wanted.tenants.all()
        all_tenants = {} if prune and tenants else {name: each.tenant for name, each in there.items()}
        roads = self._control.wanted.routes.all()
        all_routes = {} if prune and routes else {name: each.route for name, each in roads.items()}
        all_models |= {each.name: each for each in models}
        all_tenants |= {each.name: each for each in tenants}
        all_routes |= {each.name: each for each in routes}
        all_apps = {} if prune and apps else {name: each.app for name, each in self._control.apps.all().items()}
        all_apps |= {each.name: each for each in apps}
        was = {name: each.origin for kind in (known, roads, there) for name, each in kind.items()}
        faults = [
            *_clashes({"Model": all_models, "Route": all_routes, "App": all_apps, "Tenant": all_tenants}, was, places),
            *_of_apps(apps, all_tenants, places),
            *(
                SpecError(fault.message, hint=fault.hint, field=f"{name}.{'.'.join(fault.path)}", **_at(places, name))
                for name, fault in faults_between(
                    all_models.values(), all_tenants.values(), all_routes.values(), whole=True
                )
            ),
        ]
        if faults:
            raise as_one(faults)
        if all_models and not all_tenants:
            self._refuse_open_gateway("nothing was changed")

    def _refuse_open_gateway(self, outcome: str) -> None:
        if self._settings.is_open_to_others:
            raise UsageError(
                f"without a Tenant whoever reaches {self._settings.host} could use every Model: {outcome}",
                hint="write kind: Tenant into the file, or serve this machine alone: --host 127.0.0.1",
            )

    async def _pin(self, model: Model, known: DesiredModel | None, origin: str) -> DesiredModel:
        here = model.on(self._control.site.name, self._control.site.kind)
        first, *others = [await asyncio.to_thread(registry.revise, way, name) for name, way in here.ways.items()]
        for other in others:
            if other.revision.task != first.revision.task:
                raise SpecError(
                    f"variant {other.revision.variant} does {other.revision.task}, not {first.revision.task}",
                    hint="serve it as a Model of its own",
                    field=f"{model.name}.variants",
                )
        return DesiredModel(
            model=here,
            revision=first.revision,
            derived=first.derived,
            origin=origin,
            created=known.created if known else time.time(),
            others=tuple((each.revision, each.derived) for each in others),
        )


def _clashes(
    kinds: Mapping[str, Mapping[str, object]], was: Mapping[str, str], places: Mapping[str, str]
) -> Iterator[SpecError]:
    """Names that two kinds have. `places`: of what is asked for now, `was` also of what is wanted already."""
    seen: dict[str, str] = {}
    for kind, objects in kinds.items():
        for name in objects:
            if name in seen:
                first = f" ({was[name]})" if was.get(name) else ""
                message = f"{name} is the name of a {seen[name]}{first} and of a {kind}"
                hint = "callers could not tell them apart: choose another name"
                yield SpecError(message, hint=hint, field=f"{name}.name", **_at(places, name))
            seen.setdefault(name, kind)


def _of_apps(apps: Sequence[App], tenants: Mapping[str, Tenant], places: Mapping[str, str]) -> Iterator[SpecError]:
    for each in apps:
        try:
            tenant_of(each, tenants)
        except Fault as fault:
            field = f"{each.name}.{'.'.join(fault.path)}"
            yield SpecError(fault.message, hint=fault.hint, field=field, **_at(places, each.name))


def _at(places: Mapping[str, str], name: str) -> dict[str, Any]:
    file, _, line = places.get(name, "").rpartition(":")
    return {"file": file, "line": int(line)} if line.isdigit() else {}

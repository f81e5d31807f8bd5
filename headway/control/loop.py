"""The reconcile loop: observe -> decide -> apply -> record, level-triggered.

Any step may be killed: nothing is remembered between passes that the next pass could not find out again, except how
long a leaving Replica has had, and that only lengthens its stay.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from headway.control.apps import Apps
from headway.control.gateway_process import GatewayProcess
from headway.control.routes import elsewhere, endpoint_id, key_entries, route_rules, routes, tenant_rules
from headway.control.settings import ControlSettings
from headway.control.waiting import first_of
from headway.gateway.record import Stats
from headway.gateway.table import ModelRoute
from headway.policy.converge import Facts, Plan, Want, decide
from headway.policy.decision import Action, Decision, Reason
from headway.sites.base import Inventory, Replica, ReplicaState, Site
from headway.store.apps import DesiredApp
from headway.store.desired import DesiredState
from headway.store.journal import Journal
from headway.store.models import DesiredModel

__all__ = ["ControlLoop"]

log = logging.getLogger(__name__)

WAITS_FOR_ROOM = (Reason.NOT_ENOUGH_MEMORY, Reason.NO_FREE_GPU)


@dataclass(frozen=True, slots=True)
class Leaving:
    """A Replica that is not routed to any more: since which table, and until when (loop time) its requests may run."""

    table_version: int
    deadline: float


@dataclass(frozen=True, slots=True)
class Observation:
    desired: dict[str, DesiredModel]
    replicas: Sequence[Replica]
    running: dict[str, int]  # endpoint id -> requests in it
    stats: Stats | None
    inventory: Inventory
    apps: dict[str, DesiredApp] = field(default_factory=dict)


class ControlLoop:
    """Runs on one event loop; `poke` makes the next pass come at once."""

    def __init__(
        self,
        site: Site,
        wanted: DesiredState,
        journal: Journal,
        gateway: GatewayProcess,
        settings: ControlSettings,
    ) -> None:
        self.site, self.wanted, self.models = site, wanted, wanted.models
        self.journal, self.gateway = journal, gateway
        self.apps = Apps(wanted, settings.state)
        self._settings = settings
        self._leaving: dict[str, Leaving] = {}
        self._poked = asyncio.Event()
        self._passed = asyncio.Condition()
        self.observation = Observation({}, (), {}, None, Inventory(0, 0, 0))

    async def open(self) -> None:
        """Take up what runs already, before the first pass could miss it."""
        adopted, found = await asyncio.gather(self.site.open(), self.gateway.open())
        told = [_adopted(each) for each in adopted]
        if found and self.gateway.stats:
            message = f"the gateway at {self.gateway.address} was found running (pid {self.gateway.stats.pid})"
            told.append(
                Decision("gateway", Action.ADOPT, Reason.FOUND_RUNNING, message, {"pid": self.gateway.stats.pid})
            )
        self.journal.add_decisions(told, time.time())

    async def run(self) -> None:
        while True:
            try:
                await self.step()
            except Exception:
                # A full disk, a busy database: what runs goes on, and the next pass finds out again what is.
                log.exception("a pass failed; the next one tries again")
            await self._wait(self._settings.drain_tick if self._leaving else self._settings.tick)

    async def step(self) -> None:
        try:
            self.observation = await self.observe()
            await self._let_sleep()
            apps = self.apps.wants(self.observation.apps)
            plan = decide([*_wants(self.observation.desired), *apps], self._facts())
            await self.apply(plan)
            await self.record(plan)
        finally:
            async with self._passed:
                self._passed.notify_all()

    async def observe(self) -> Observation:
        await self.gateway.keep()
        stats = self.gateway.stats
        running = {each.id: each.running for each in stats.endpoints} if stats else {}
        apps, inventory = self.apps.all(), await self.site.inventory()
        return Observation(self.models.all(), self.site.replicas(), running, stats, inventory, apps)

    async def _let_sleep(self) -> None:
        """Apps that nobody uses are wanted no more until somebody opens them."""
        seen, now = self.observation, time.time()
        if asleep := await self.apps.look(seen.apps, seen.replicas, now):
            self.journal.add_decisions(asleep, now)
            self.observation = replace(seen, apps=self.apps.all())

    async def apply(self, plan: Plan) -> None:
        """Start what is missing, stop routing to what leaves, end what has left."""
        ways = (way for each in self.observation.desired.values() for way in each.ways)
        revisions = {way.revision.id: way.revision for way in ways}
        revisions |= {each.revision.id: each.revision for each in self.observation.apps.values()}
        for want in plan.ensure:
            await self.site.ensure(revisions[want.revision], want.count)
        replicas = self.site.replicas()
        there = {each.name: each for each in replicas}
        leaving = {name for name in [*self._leaving, *plan.drain] if name in there}
        desired = self.observation.desired
        version = self._publish(routes(desired, replicas, leaving, elsewhere(desired)))
        now = asyncio.get_running_loop().time()
        fresh = Leaving(version, now + self._settings.drain_deadline)
        self._leaving = {name: self._leaving.get(name, fresh) for name in leaving}
        for name, since in self._leaving.items():
            if there[name].state is not ReplicaState.DRAINING and self._has_left(there[name], since, now):
                await self.site.drain(name, self._settings.stop_grace)

    def _publish(self, models: tuple[ModelRoute, ...]) -> int:
        tenants = [each.tenant for each in self.wanted.tenants.all().values()]
        names = {each.name for each in tenants}
        keys = key_entries(self.wanted.keys.all(), names, time.time())
        return self.gateway.publish(models, tenant_rules(tenants), keys, route_rules(self.wanted.routes.all().values()))

    async def record(self, plan: Plan) -> None:
        now = time.time()
        self.journal.add_decisions([*plan.decisions, *self.site.decisions()], now)

    def poke(self) -> None:
        self._poked.set()

    async def passed(self) -> None:
        """Return after the next whole pass."""
        async with self._passed:
            await self._passed.wait()

    async def passed_after(self, seconds: float) -> None:
        """Return after the first whole pass that ends at least `seconds` from now."""
        await asyncio.sleep(seconds)
        await self.passed()

    def is_leaving(self, replica: str) -> bool:
        return replica in self._leaving

    def _facts(self) -> list[Facts]:
        seen = self.observation
        return [
            Facts(
                name=each.name,
                model=each.model,
                revision=each.revision,
                ready=each.state is ReplicaState.READY,
                leaving=each.name in self._leaving or each.state is ReplicaState.DRAINING,
                running=seen.running.get(endpoint_id(each), 0),
                started=each.started_at or 0.0,
                waits_for_room=each.state is ReplicaState.PENDING and each.reason in WAITS_FOR_ROOM,
            )
            for each in seen.replicas
        ]

    def _has_left(self, replica: Replica, since: Leaving, now: float) -> bool:
        """No request can reach it and none is in it; or its time is up; or no gateway runs that could route."""
        stats = self.observation.stats
        if stats is None or replica.state is not ReplicaState.READY or now >= since.deadline:
            return True
        return stats.table_version >= since.table_version and not self.observation.running.get(endpoint_id(replica), 0)

    async def _wait(self, timeout: float) -> None:
        """Until something changed on the Site, somebody poked, or `timeout` seconds passed."""
        await first_of(self.site.changed(timeout), self._poked.wait())
        self._poked.clear()


def _wants(desired: dict[str, DesiredModel]) -> list[Want]:
    return [Want(name, way.revision.id, way.replicas) for name, each in desired.items() for way in each.ways]


def _adopted(replica: Replica) -> Decision:
    numbers = {"pid": replica.pid or 0, "port": replica.port}
    message = f"found running (pid {replica.pid}); it goes on as it is"
    return Decision(replica.name, Action.ADOPT, Reason.FOUND_RUNNING, message, numbers)

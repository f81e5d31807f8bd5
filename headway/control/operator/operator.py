"""The operator's loop: an object whose turn it is -> observe (the copies) -> decide (pure) -> carry out -> say so.

Level-triggered. What a pass needs to know is in the cluster itself, so it may be killed at any step and by any other
operator be taken up. Memory serves only to write less: which repairs were just made, which message was just told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from headway.control.operator.carry import Hand, Outcome
from headway.control.operator.conditions import Condition, conditions_of, turned, written
from headway.control.operator.copies import OURS, Copies
from headway.control.operator.events import Told, tell
from headway.control.operator.figures import Figures
from headway.control.operator.passes import Passes
from headway.control.operator.plan import Apply, Plan
from headway.control.operator.queue import Queue
from headway.control.operator.settings import OperatorSettings
from headway.errors import HeadwayError, UnreachableError
from headway.policy.decision import Reason
from headway.sites.kubernetes.observe import Served
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref, ref

__all__ = ["Operator"]

log = logging.getLogger(__name__)


class Operator:
    """`run` works until cancelled; only who holds the lease may run it."""

    def __init__(self, cluster: Cluster, served: Served, settings: OperatorSettings, figures: Figures) -> None:
        self._cluster, self._settings, self._figures = cluster, settings, figures
        self.queue: Queue[Ref] = Queue(settings.backoff)
        self.copies = Copies(cluster, served, self.queue.add)
        self._passes = Passes(self.copies, settings)
        self._hand = Hand(cluster, self.copies.written)
        self._repaired: dict[Ref, deque[float]] = {}
        self._retold: dict[Ref, float] = {}
        self._stopping = False

    async def open(self) -> None:
        """Read all there is. Raises what the API server's refusal or absence raises."""
        await self.copies.open()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.workers):
                group.create_task(self._work())

    async def close(self) -> None:
        await self.copies.close()

    def figures(self) -> bytes:
        self._figures.waiting.set(len(self.queue))
        self._figures.failing.set(self.queue.failing)
        self._figures.silent.set(max(0.0, time.monotonic() - self.copies.seen))
        return self._figures.text()

    async def _work(self) -> None:
        while True:
            at = await self.queue.take()
            began = time.monotonic()
            try:
                result = await self._pass(at)
            except HeadwayError as error:
                wait = self.queue.failed(at)
                log.warning("%s: %s; again in %.1f s", at, error, wait)
                result = "unreachable" if isinstance(error, UnreachableError) else "refused"
            except Exception:
                wait = self.queue.failed(at)
                log.exception("%s: a fault of Headway's own; again in %.1f s", at, wait)
                result = "fault"
            finally:
                self.queue.done(at)
            self._figures.passes.labels(at.kind, result).inc()
            self._figures.seconds.observe(time.monotonic() - began)

    async def _pass(self, at: Ref) -> str:
        """One object. Raises what keeps the API server from being asked."""
        owner = self.copies.own(at)
        if owner is None:
            self._forget(at)
            return "gone"
        plan = self._patient(self._passes.plan(owner))
        outcome = await self._hand.carry_out(owner, plan)
        self._count(plan, outcome)
        if plan.conditions:
            plan = _with_refusals(plan, outcome)
            await self._say(at, owner, plan)
        if outcome.refused:
            wait = self.queue.failed(at)
            log.info("%s: again in %.1f s", at, wait)
            return "refused"
        self.queue.succeeded(at)
        if self.copies.own(at) is not None:
            self.queue.add(at, min(self._settings.resync, plan.look_again or self._settings.resync))
        return "done"

    def _patient(self, plan: Plan) -> Plan:
        """Repairs of one object that come again and again are a fight with another writer: ever more seldom."""
        now, span = time.monotonic(), self._settings.resync
        kept: list[Apply] = []
        later, contested = span, []
        for each in plan.apply:
            at = ref(each.manifest)
            times = self._repaired.setdefault(at, deque(maxlen=32)) if each.repairs else deque()
            while times and now - times[0] > span:
                times.popleft()
            pause = 0.0 if len(times) < self._settings.repairs else span / 2 ** max(0, 6 - len(times))
            if each.repairs and times and now - times[-1] < pause:
                later = min(later, pause - (now - times[-1]))
                contested.append(f"{at.kind} {at.name}: {each.why}, {len(times)} times by now")
                continue
            if each.repairs:
                times.append(now)
            kept.append(each)
        if not contested:
            return plan
        trouble = Condition("Degraded", True, Reason.CONTESTED, "; ".join(contested), _WHO)
        conditions = tuple(trouble if each.type == "Degraded" else each for each in plan.conditions)
        return replace(plan, apply=tuple(kept), conditions=conditions, look_again=min(later, plan.look_again or later))

    async def _say(self, at: Ref, owner: Manifest, plan: Plan) -> None:
        """The status, if it is another than the one that is there; an event for what turned."""
        before = owner.get("status") or {}
        generation = owner["metadata"].get("generation", 0)
        conditions = written(plan.conditions, conditions_of(owner), generation, _now())
        status: dict[str, Any] = {**plan.status, "observedGeneration": generation, "conditions": conditions}
        events = [*plan.events, *map(_event, turned(plan.conditions, conditions_of(owner)))]
        if status != before:
            if not events and _told_alike(status, before) and (wait := self._must_wait(at)):
                return self.queue.add(at, wait)
            self._retold[at] = time.monotonic()
            manifest = {"apiVersion": OURS, "kind": at.kind, "metadata": {"name": at.name, "namespace": at.namespace}}
            try:
                self.copies.written(await self._cluster.apply(manifest | {"status": status}, sub="status"))
                self._figures.writes.labels("status").inc()
            except ApiRefusal as refusal:
                if refusal.status != 404:  # it is gone
                    raise
                return None
        if events:
            await tell(self._cluster, owner, events, self._settings.identity)
            self._figures.writes.labels("event").inc(len(events))
        return None

    def _must_wait(self, at: Ref) -> float:
        return max(0.0, self._retold.get(at, -1e9) + self._settings.retell - time.monotonic())

    def _count(self, plan: Plan, outcome: Outcome) -> None:
        self._figures.writes.labels("objects").inc(outcome.writes)
        self._figures.repairs.inc(sum(each.repairs for each in plan.apply))

    def _forget(self, at: Ref) -> None:
        self._retold.pop(at, None)
        self.queue.succeeded(at)
        for each in [one for one in self._repaired if one.namespace == at.namespace and one.name.startswith(at.name)]:
            del self._repaired[each]


_WHO = "find the other writer: kubectl get … -o yaml --show-managed-fields"


def _with_refusals(plan: Plan, outcome: Outcome) -> Plan:
    if not outcome.refused:
        return plan
    first = outcome.refused[0]
    more = f" (and {len(outcome.refused) - 1} more)" if len(outcome.refused) > 1 else ""
    trouble = Condition("Degraded", True, Reason.REFUSED, f"{first.at}: {first.message}{more}", "it is tried again")
    found = []
    for each in plan.conditions:
        if each.type == "Degraded":
            found.append(trouble)
        elif each.type == "Ready" and not each.is_true and each.reason in (Reason.STARTING, Reason.TOO_FEW_REPLICAS):
            found.append(replace(trouble, type="Ready", is_true=False))
        else:
            found.append(each)
    return replace(plan, conditions=tuple(found))


def _told_alike(status: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """They differ in words only."""
    return _without_words(status) == _without_words(before)


def _without_words(status: Mapping[str, Any]) -> dict[str, Any]:
    conditions = [
        {key: value for key, value in each.items() if key not in ("message", "lastTransitionTime")}
        for each in status.get("conditions") or ()
    ]
    return {key: value for key, value in status.items() if key != "next"} | {"conditions": conditions}


def _event(condition: Condition) -> Told:
    bad = condition.is_true if condition.type == "Degraded" else condition.type == "Ready" and not condition.is_true
    text = condition.text or f"{condition.type}: {condition.is_true}"
    return Told(condition.reason, text, warning=bad)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""A replica as the gateway sees it, and the engine behind it."""

from __future__ import annotations

from collections.abc import Callable

from headway.perf.batching import Replica
from headway.policy.ejection import EjectionRules, Health
from headway.policy.prefix import PrefixIndex
from headway.policy.routing import Host
from headway.policy.speed import Speed
from headway.sim.agenda import Agenda
from headway.sim.job import Job

__all__ = ["Endpoint"]

_TOKEN_BYTES = 4.0


class Endpoint(Host):
    """`began`: when it was decided on, from when on it is paid for. `due`: the replica's next event that is noted in
    the agenda. `jobs` run there, by number."""

    def __init__(self, name: str, slot: int, speed: Speed, agenda: Agenda, *, replica: Replica, began: float) -> None:
        super().__init__(name, slot, speed, agenda.now)
        self.replica, self.began = replica, began
        self.due = float("inf")
        self.jobs: dict[int, Job] = {}
        self.health = Health()
        self.dead = self.draining = False
        self._agenda = agenda

    def time(self) -> float:
        return self._agenda.now

    def watch(self, step: Callable[[Endpoint], None]) -> None:
        """Its replica's next event is noted, for `step`."""
        due = self.replica.next_event()
        if due != self.due:
            self.due = due
            if due < float("inf"):
                self._agenda.at(due, step, self)

    def hear(self, index: PrefixIndex, now: float) -> None:
        """What its engine says of itself, as the gateway scrapes it."""
        replica = self.replica
        if not self.running and not self.elsewhere.requests and not self.elsewhere.kv_used and self.kv_tokens:
            self.elsewhere.at = now  # an idle engine says what it said before
            return
        running, waiting = replica.running, replica.waiting
        mean = self.pending_tokens / max(1, self.running)
        self.elsewhere.heard(running, waiting, replica.kv_used, ours=self.running, prompt=mean, now=now)
        if not self.kv_tokens:
            self.kv_tokens = replica.limits.kv_tokens
            index.room(self.slot, self.kv_tokens * _TOKEN_BYTES)
        if replica.has_slots:
            self.has_adapters(frozenset(replica.adapters.loaded), now)

    def failed(self, now: float, rules: EjectionRules, *, ejected: int, of: int) -> None:
        self.health.failed(now, rules, ejected=ejected, of=of)
        self.cooling_until = self.health.until

    def tried(self, now: float) -> None:
        if self.health.troubled:
            self.health.tried(now)
            self.cooling_until = self.health.until

    def worked(self, now: float) -> None:
        if self.health.troubled:
            if self.health.worked(now):
                self.since = now
            self.cooling_until = self.health.until

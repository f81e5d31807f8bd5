"""How many replicas one Model has: started in stages, drained, lost; by its scaler, or fixed.

A replica is paid for from the decision to start it until it is gone. Who is started first and who goes is fixed here:
of too many, the youngest of those that start, then the least busy, which is drained.
"""

from __future__ import annotations

from math import fsum, log
from typing import TYPE_CHECKING

from headway.perf.batching import Replica
from headway.perf.traffic.draws import stream
from headway.policy.scaling.measured import Room, measured
from headway.policy.scaling.observation import Backlog, Capacity, Observation, Starting
from headway.policy.scaling.scaler import Memory, Verdict
from headway.sim.crowd import Crowd, Crowded
from headway.sim.endpoint import Endpoint

if TYPE_CHECKING:
    from headway.sim.front import Front
    from headway.sim.pool import Pool

__all__ = ["Keeper"]

_HOUR = 3600.0
_LATEST = 60.0
"""Seconds after which a scaler is asked again, if it does not say when."""


class _Start:
    """A replica on its way."""

    __slots__ = ("began", "gone", "ready_at")

    def __init__(self, began: float, ready_at: float) -> None:
        self.began, self.ready_at, self.gone = began, ready_at, False


class Keeper:
    """`seconds` of replicas that are gone; `starts`, `wasted` (given up before they were ready), `deaths` and `most`
    replicas at once are counted. `decisions`: (when, target, reason), as far as the number changed."""

    def __init__(self, pool: Pool, front: Front, seed: int) -> None:
        served = pool.served
        self.pool, self.served = pool, served
        self.starting: list[_Start] = []
        self.draining: list[Endpoint] = []
        self.seconds = 0.0
        self.starts = self.wasted = self.deaths = self.most = self.changes = 0
        self.decisions: list[tuple[float, int, str]] = []
        self._front, self._agenda = front, front.agenda
        self._target, self._memory = served.replicas, Memory()
        self._cold = served.cold.seconds
        self._named = 0
        self._idle_since = 0.0
        self._crowd = Crowd(served.shared) if served.shared else None
        self._review_at = float("inf")
        self._fate = stream(seed, f"faults of {served.name}").random

    def begin(self) -> None:
        now = self._agenda.now
        for _ in range(self.served.replicas):
            if self.served.warm:
                self._open(now)
            else:
                self._start(now)
        if self.served.scaler is not None:
            self._review(None)

    @property
    def present(self) -> int:
        return self.ready + len(self.starting)

    @property
    def ready(self) -> int:
        return len(self.pool.endpoints) - self._dead

    @property
    def _dead(self) -> int:
        return sum(each.dead for each in self.pool.endpoints)

    def paid(self, now: float) -> float:
        """Replica-seconds until now, decoders included."""
        alive = [each.began for each in self.pool.endpoints if not each.dead]
        alive += [each.began for each in self.draining] + [each.began for each in self.starting]
        decoders = self.served.split.decoders * now if self.served.split else 0.0
        return self.seconds + fsum(now - began for began in alive) + decoders

    def came(self) -> None:
        """A request; when there is nobody, the scaler hears of it at once."""
        if self.served.scaler is not None and not self.present:
            self._review(None)

    # more and fewer

    def _set(self, target: int, now: float) -> None:
        target = max(0, target)
        while self.present < target:
            self._start(now)
        while self.present > target:
            self._stop(now)
        self.most = max(self.most, self.present)

    def _start(self, now: float) -> None:
        start = _Start(now, now + self._cold)
        self.starting.append(start)
        self.starts += 1
        self._agenda.at(start.ready_at, self._started, start)

    def _started(self, start: _Start) -> None:
        if start.gone:
            return
        self.starting.remove(start)
        self._open(start.began)

    def _open(self, began: float) -> None:
        served, front, name = self.served, self._front, f"{self.served.name}-{self._named}"
        self._named += 1
        step = served.step if self._crowd is None else Crowded(served.step, self._crowd)
        replica = Replica(
            step,
            served.limits,
            prefix_cache=served.prefix_cache,
            adapter_slots=served.adapter_slots,
            adapter_seconds=served.adapter_seconds,
            since=self._agenda.now,
            watch=front.watch(name, front.pauses(served.name)),
            jump=self._crowd is None,
        )
        if self._crowd is not None and isinstance(step, Crowded):
            self._crowd.joins(step, replica)
        endpoint = Endpoint(name, front.slot(), self.pool.speeds.endpoint(), self._agenda, replica=replica, began=began)
        self.pool.opens(endpoint)
        self.most = max(self.most, self.present)
        self._draw_fate(endpoint)

    def _stop(self, now: float) -> None:
        if self.starting:
            start = self.starting.pop()
            start.gone = True
            self.wasted += 1
            self.seconds += now - start.began
            return
        alive = [each for each in self.pool.endpoints if not each.dead]
        self._drain(min(alive, key=lambda each: (each.running, -each.slot)))

    def _drain(self, endpoint: Endpoint) -> None:
        endpoint.draining = True
        self.pool.closes(endpoint)
        self.draining.append(endpoint)
        if not endpoint.jobs:
            self.drained(endpoint)

    def _uncrowd(self, endpoint: Endpoint) -> None:
        if self._crowd is not None:
            self._crowd.leaves(endpoint.replica)

    def drained(self, endpoint: Endpoint) -> None:
        """Its last request has ended."""
        self.draining.remove(endpoint)
        self._gone(endpoint)

    def _gone(self, endpoint: Endpoint) -> None:
        endpoint.dead = True
        self._uncrowd(endpoint)
        endpoint.speed.retire()
        self._front.index.forget(endpoint.slot)
        self._front.free(endpoint.slot)
        self.seconds += self._agenda.now - endpoint.began

    def eta(self, now: float) -> float | None:
        """When the next replica is expected; None: none is."""
        if self.starting:
            return min(each.ready_at for each in self.starting)
        scales = self.served.scaler is not None and (self.served.high or 0) > 0
        return now + self._cold if scales else None

    # what goes wrong

    def _draw_fate(self, endpoint: Endpoint) -> None:
        faults, now = self.served.faults, self._agenda.now
        for hours, call in ((faults.death_hours, self._die), (faults.spot_hours, self._warned)):
            if hours > 0:
                self._agenda.at(now - log(1.0 - self._fate()) * hours * _HOUR, call, endpoint)

    def _warned(self, endpoint: Endpoint) -> None:
        """A spot instance is wanted back."""
        if endpoint.dead:
            return
        self._agenda.at(self._agenda.now + self.served.faults.spot_notice, self._die, endpoint)
        if not endpoint.draining:
            self._drain(endpoint)
            self._replace()

    def _die(self, endpoint: Endpoint) -> None:
        if endpoint.dead:
            return
        self.deaths += 1
        named = endpoint in self.pool.endpoints
        if endpoint in self.draining:
            self.draining.remove(endpoint)
        self.seconds += self._agenda.now - endpoint.began
        endpoint.speed.retire()
        self._uncrowd(endpoint)
        self.pool.die(endpoint)
        if named:
            self._agenda.at(self._agenda.now + self.served.faults.noticed, self._noticed, endpoint)
        else:
            self._front.free(endpoint.slot)

    def _noticed(self, endpoint: Endpoint) -> None:
        self.pool.closes(endpoint)
        self._front.free(endpoint.slot)
        self._replace()

    def _replace(self) -> None:
        if self.served.scaler is None:
            self._set(self._target, self._agenda.now)
        else:
            self._review(None)

    # the scaler

    def _review(self, noted: float | None) -> None:
        """`noted`: for when; another review since then makes it void."""
        scaler, now = self.served.scaler, self._agenda.now
        if scaler is None or (noted is not None and noted != self._review_at):
            return
        verdict: Verdict = scaler.decide(self.observation(now), self._memory, now)
        self._memory = verdict.memory
        high = self.served.high if self.served.high is not None else verdict.target
        target = max(0, min(verdict.target, high))
        if target != self.present:
            self.changes += 1
            self.decisions.append((now, target, str(verdict.decision.reason)))
            self._set(target, now)
        again = verdict.decision.look_again
        self._review_at = now + max(_LATEST if again is None else again, 1e-3)
        self._agenda.at(self._review_at, self._review, self._review_at)

    def observation(self, now: float) -> Observation:
        served, pool = self.served, self.pool
        alive = [each for each in pool.endpoints if not each.dead]
        jobs = [job for each in alive for job in each.jobs.values()]
        pending = [job for job in jobs if job.first_at < 0]
        held = [*pool.lobby, *(pool.line_jobs() if pool.line is not None else ())]
        output = pool.sizes.output()
        if pool.demand.inside:
            self._idle_since = now
        low = served.low if served.low is not None else served.replicas
        return Observation(
            model=served.name,
            ready=len(alive),
            starting=tuple(Starting(now - each.began, each.ready_at - now) for each in self.starting),
            windows=pool.demand.windows(now),
            capacity=self._capacity(alive, output),
            draining=len(self.draining),
            low=low,
            high=served.high if served.high is not None else max(low, served.replicas),
            waiting=Backlog(len(held), float(sum(each.prompt for each in held)), len(held) * output),
            pending=Backlog(
                len(pending), fsum(max(0.0, each.prompt - each.claimed) for each in pending), len(pending) * output
            ),
            running=len(jobs),
            kv=max((each.replica.kv_used for each in alive), default=0.0),
            cold_start=self._cold,
            ttft=served.slo.ttft,
            itl=served.slo.itl,
            idle=now - self._idle_since,
            forecast=pool.demand.forecast(now, self._cold),
            idle_after=served.idle_after,
            price=served.price or None,
        )

    def _capacity(self, alive: list[Endpoint], output: float) -> Capacity:
        """As measured from answers; before there are enough, as reckoned."""
        served, told = self.served, self.served.capacity or Capacity(1.0, 1.0, 1.0)
        room = Room(float(served.limits.most_sequences), float(served.limits.kv_tokens), served.slo.itl)
        longest = told.first * told.prefill
        return measured((each.speed for each in alive), self.pool.demand.mean(output, longest), room) or told

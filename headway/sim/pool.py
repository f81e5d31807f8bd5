"""One Model's replicas behind the gateway: who takes a request, who waits, and what is learned of the answers.

The decisions are `policy`'s, called as the gateway calls them (gateway.placement, gateway.exchange): `choose` over
Candidates that are counted up at the pick, the prefix index, the fair line when places are bounded, the retry budget.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headway.perf.batching import Event, Happens, Request
from headway.policy.ejection import EjectionRules
from headway.policy.fairness import FairQueue
from headway.policy.price import cost
from headway.policy.retry_budget import RetryBudget
from headway.policy.route import State
from headway.policy.routing import Ask, Choice, Stay, choose, coming, outlook
from headway.policy.speed import ModelSpeed, Sizes
from headway.sim.decoders import Decoders
from headway.sim.demand import Demand
from headway.sim.endpoint import Endpoint
from headway.sim.fleet import Served
from headway.sim.job import Ended, Job
from headway.sim.prefixes import TOKEN_BYTES

if TYPE_CHECKING:
    from headway.sim.front import Front

__all__ = ["Pool"]

_LINE_BYTES = 64 << 20
"""Bodies held for one model: the gateway's `waiting_bytes`."""


class Pool:
    """`endpoints`: those the gateway's table names, a dead one too until that is noticed."""

    def __init__(self, served: Served, front: Front) -> None:
        self.served = served
        self.endpoints: list[Endpoint] = []
        self.demand = Demand(front.agenda.now)
        self.speeds, self.sizes, self.retries = ModelSpeed(), Sizes(TOKEN_BYTES), RetryBudget()
        self.preempted = self.sent = 0
        self.lobby: deque[Job] = deque()
        manners = front.manners
        self.line: FairQueue[Job] | None = FairQueue(manners.waiting_max, _LINE_BYTES) if served.places else None
        self._front, self._agenda, self._manners, self._index = front, front.agenda, manners, front.index
        self._draw = front.draw
        self._slots: list[int] = []
        self._turn = 0
        self._deadlines: deque[tuple[float, Job]] = deque()
        self._rules = EjectionRules(
            manners.cooldown, manners.cooldown_max, manners.eject_after,
            manners.eject, manners.eject_max, manners.eject_share,
        )  # fmt: skip
        self.decoders = Decoders(served, served.split, front, self) if served.split else None

    # the table

    def opens(self, endpoint: Endpoint) -> None:
        """It is ready."""
        self._use([*self.endpoints, endpoint])
        self.look()

    def closes(self, endpoint: Endpoint) -> None:
        """Nothing new goes there."""
        self._use([each for each in self.endpoints if each is not endpoint])

    def _use(self, endpoints: list[Endpoint]) -> None:
        self.endpoints, self._slots = endpoints, [each.slot for each in endpoints]

    def look(self) -> None:
        """There may be room now: those that wait look again, in order."""
        waiting, self.lobby = self.lobby, deque()
        for job in waiting:
            self.place(job)
        self._serve()

    def line_jobs(self) -> Iterator[Job]:
        """Those in the fair line."""
        return (job for _, job in self._deadlines if job.ended is None and job.lined)

    @property
    def waiting(self) -> int:
        """Held at the gateway."""
        return len(self.lobby) + (len(self.line) if self.line is not None else 0)

    # a request

    def enter(self, job: Job) -> None:
        now = self._agenda.now
        self._deadlines.append((job.due + self.served.deadline, job))
        self.demand.came(job.prompt, self.sizes.output(), now)
        self.place(job)
        self._front.keepers[self.served.name].came()

    def place(self, job: Job) -> None:
        if job.ended is not None:
            return
        now = self._agenda.now
        if self.line is not None and not job.has_turn and self.endpoints and self._all_taken():
            self._line_up(job, self.line)
            return
        ask = self._ask(job, now) if self.endpoints else None
        choice = self._pick(job, ask, now) if ask is not None else None
        if ask is None or choice is None:
            self._hold(job, now)
        elif choice.look_again and job.tries:
            self._agenda.at(choice.look_again, self.place, job)
        elif job.tries and not self._may_retry(now):
            self._agenda.at(now + self._manners.retry_pause, self.place, job)
        else:
            self._send(job, ask, choice, now)

    def _ask(self, job: Job, now: float) -> Ask:
        self._turn += 1
        tokens = float(job.prompt)
        matched = self._index.match(job.chain, self._slots, 1.0 / TOKEN_BYTES)
        ask = Ask(tokens, matched, self.sizes.output(), job.adapter, turn=self._turn)
        ask.coming = coming(self.endpoints, now)
        return ask

    def _pick(self, job: Job, ask: Ask, now: float) -> Choice | None:
        avoided, most = job.shunned, self.served.places
        if most and (full := {each.id for each in self.endpoints if each.running >= most}):
            avoided = avoided | full
        choice = choose(self.served.policy, ask, self.endpoints, now, self._draw(), excluded=avoided)
        if choice is None and avoided:
            job.shunned = frozenset()
            choice = choose(self.served.policy, ask, self.endpoints, now, self._draw())
        return choice

    def _send(self, job: Job, ask: Ask, choice: Choice, now: float) -> None:
        endpoint = self.endpoints[choice.index]
        if job.chain:
            self._index.insert(job.chain, endpoint.slot)
        endpoint.tried(now)
        job.claimed = ask.matched[choice.index]
        job.stay = Stay(endpoint, max(1.0, ask.tokens - job.claimed), ask.tokens + ask.output, now, adapter=job.adapter)
        if not job.tries:
            job.sent_at = now
            self.demand.found(job.claimed)
        job.tries += 1
        self.sent += 1
        if endpoint.dead:
            job.stay.leave()
            self._lost(job, endpoint, now)
            return
        output = 1 if self.decoders is not None else job.output
        request = Request(job.number, job.prompt + self.served.wrap, output, job.pieces, job.answer, job.adapter)
        if not endpoint.replica.fits(request) or (self.decoders is not None and not self.decoders.fit(job)):
            job.stay.leave()
            self.end(job, Ended.UNSERVED)
            return
        endpoint.jobs[job.number] = job
        endpoint.replica.offer(request, now)
        endpoint.watch(self._step)

    def _may_retry(self, now: float) -> bool:
        sent = sum(each.total for each in self.endpoints)
        return self.retries.take(sent, now, ratio=self._manners.retry_ratio, floor=self._manners.retry_floor)

    def end(self, job: Job, kind: Ended) -> None:
        job.ended = kind
        self.demand.left(self._agenda.now)
        self._front.ended(job, kind)
        if self.line is not None:
            rule = self._front.rule(job.tenant)
            priority, weight = (rule.priority, rule.weight) if rule else ("normal", 1.0)
            if job.sent_at >= 0:
                self.line.charge(job.tenant, float(job.output), priority=priority, weight=weight)
            self._serve()

    # who waits

    def _hold(self, job: Job, now: float) -> None:
        """No endpoint can take it now."""
        if self._front.moves(job, "error"):
            self._moved()
            return
        eta = self._front.keepers[self.served.name].eta(now)
        expected = eta is not None or bool(self.endpoints)
        if not expected or len(self.lobby) >= self._manners.waiting_max:
            self.end(job, Ended.UNSERVED)
            return
        if not job.waited_until:
            wait = self._manners.wait
            job.waited_until = now + (wait if eta is None else max(wait, eta - now + self._manners.wait_grace))
        self.lobby.append(job)

    def _moved(self) -> None:
        """It is another Model's now."""
        self.demand.left(self._agenda.now)

    def _all_taken(self) -> bool:
        if self.line:
            return True
        return all(each.running >= self.served.places for each in self.endpoints)

    def _line_up(self, job: Job, line: FairQueue[Job]) -> None:
        if self._front.moves(job, "saturated"):
            self._moved()
            return
        rule = self._front.rule(job.tenant)
        priority, weight = (rule.priority, rule.weight) if rule else ("normal", 1.0)
        size, cost_of = job.prompt * TOKEN_BYTES, float(job.prompt)
        job.lined = True
        out = line.push(job, job.tenant, priority=priority, cost=cost_of, weight=weight, size=size)
        for each in (job,) if out is None else out:
            self.end(each, Ended.UNSERVED)

    def _serve(self) -> None:
        line, places = self.line, self.served.places
        while line is not None and len(line):
            if sum(max(0, places - each.running) for each in self.endpoints) <= 0:
                return
            job = line.pop()
            if job is None:
                return
            job.has_turn, job.lined = True, False
            self.place(job)

    # what an engine does

    def _step(self, endpoint: Endpoint) -> None:
        now = self._agenda.now
        if endpoint.due > now or endpoint.dead:
            return  # noted before it changed
        endpoint.due = float("inf")
        for event in endpoint.replica.advance(now):
            self._happened(endpoint, event, now)
        if not endpoint.dead:
            endpoint.watch(self._step)
            if endpoint.draining and not endpoint.jobs:
                self._front.keepers[self.served.name].drained(endpoint)

    def _happened(self, endpoint: Endpoint, event: Event, now: float) -> None:
        if event.kind is Happens.PREEMPTED:
            self.preempted += 1
            return
        job = endpoint.jobs.get(event.request.id)
        if job is None or job.stay is None:
            return
        if event.kind is Happens.FIRST:
            job.first_at, job.cached = now, event.cached
            job.stay.first_token(now)
            endpoint.worked(now)
        elif event.kind is Happens.END:
            del endpoint.jobs[job.number]
            self._learn(job, job.stay, endpoint, event.request.output, now)
            job.stay.leave()
            if self.decoders is not None and job.output > 1:
                self.decoders.send(job)
                self._serve()
            else:
                self.end(job, Ended.LEFT if job.leaves else Ended.FINISHED)

    def _learn(self, job: Job, stay: Stay[Endpoint], endpoint: Endpoint, output: int, now: float) -> None:
        stay.answered(now, output)
        sizes = self.sizes
        sizes.answer(job.output)
        sizes.prompt(job.prompt * TOKEN_BYTES, job.prompt)
        if job.chain:
            self._index.heard(endpoint.slot, int(job.claimed * TOKEN_BYTES), job.cached * TOKEN_BYTES)

    # what goes wrong

    def die(self, endpoint: Endpoint) -> None:
        """Its process is gone. Who has begun to get an answer loses it; others are tried elsewhere."""
        now, jobs = self._agenda.now, list(endpoint.jobs.values())
        endpoint.dead = True
        endpoint.jobs.clear()
        self._index.forget(endpoint.slot)
        for job in jobs:
            if job.stay is not None:
                job.stay.leave()
            if job.first_at >= 0:
                self.end(job, Ended.LOST)
            else:
                self._lost(job, endpoint, now)

    def _lost(self, job: Job, endpoint: Endpoint, now: float) -> None:
        siblings = self.endpoints
        endpoint.failed(now, self._rules, ejected=sum(each.health.ejected for each in siblings), of=len(siblings) or 1)
        job.shunned = job.shunned | {endpoint.id}
        if job.tries >= self._manners.tries_max:
            self.end(job, Ended.LOST)
        else:
            self.place(job)

    # each second

    def tick(self, now: float) -> None:
        for endpoint in self.endpoints:
            if not endpoint.dead:
                endpoint.hear(self._index, now)
        while self._deadlines and (self._deadlines[0][0] <= now or self._deadlines[0][1].ended is not None):
            job = self._deadlines.popleft()[1]
            if job.ended is None and job.model == self.served.name:  # else a Route moved it on
                self._expire(job, Ended.LATE)
        if self.lobby:
            for job in [each for each in self.lobby if each.waited_until <= now]:
                self._expire(job, Ended.UNSERVED)
        self.demand.look(now)

    def _expire(self, job: Job, kind: Ended) -> None:
        if job in self.lobby:
            self.lobby.remove(job)
        if self.line is not None:
            self.line.remove(job)
            job.lined = False
        if job.stay is not None:
            endpoint, decodes = job.stay.upstream, self.decoders is not None and self.decoders.drop(job)
            if not decodes and endpoint.jobs.pop(job.number, None) is not None:
                endpoint.replica.cancel(job.number, self._agenda.now)
                endpoint.watch(self._step)
            job.stay.leave()
        self.end(job, kind)

    # as a Route sees it

    def state(self) -> State:
        now, most = self._agenda.now, self.served.places
        full = bool(most) and all(each.running >= most for each in self.endpoints)
        lined = self.line is not None and len(self.line) > 0
        return State(ready=any(each.cooling_until <= now for each in self.endpoints), saturated=full or lined)

    def outlook(self, job: Job) -> State:
        """With what is predicted there, at the endpoint that answers soonest."""
        state, now = self.state(), self._agenda.now
        if not state.ready:
            return state
        ask = self._ask(job, now)
        seen = [outlook(ask, each, ask.matched[at], now) for at, each in enumerate(self.endpoints)]
        best = min(seen, key=lambda each: each.ttft)
        charge = self.served.charge
        micros = None if charge is None else float(cost(charge, int(ask.tokens), int(ask.output)))
        return State(state.serves, state.ready, state.saturated, micros, best.ttft, best.itl)

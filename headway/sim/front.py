"""The simulated gateway: who comes is let in by limits, finds its Model by name or Route, and is counted at its end."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from hashlib import blake2b

from headway.perf.batching import Watch
from headway.perf.traffic.draws import stream
from headway.perf.traffic.pieces import ANSWER, OWN
from headway.perf.traffic.planned import Piece, Planned
from headway.policy.prefix import PrefixIndex
from headway.policy.route import Condition, RouteRule, State, Step, first, following
from headway.sim.accounts import Accounts
from headway.sim.agenda import Agenda
from headway.sim.fleet import Fleet, Tenant
from headway.sim.job import Ended, Job
from headway.sim.keeper import Keeper
from headway.sim.measure.ledger import Ledger
from headway.sim.measure.pauses import Pauses
from headway.sim.measure.spans import Spans
from headway.sim.pool import Pool
from headway.sim.prefixes import chain_of

__all__ = ["Front"]

_KIND = 3


class Front:
    """`told`: called with each request that has ended, and the moment. `ticks`: whether a second's look is noted."""

    def __init__(self, fleet: Fleet, seed: int, *, spans: Spans | None = None) -> None:
        self.fleet, self.manners, self.agenda = fleet, fleet.manners, Agenda()
        self.index = PrefixIndex(fleet.manners.index_blocks)
        self.draw = stream(seed, "routing").random
        self.ledger = Ledger(fleet)
        self.accounts = Accounts(fleet.tenants)
        self.inside = 0
        self.told: Callable[[Job, float], None] | None = None
        self._spans = spans
        self._rules = {each.name: each for each in fleet.tenants}
        self._routes = {each.name: each for each in fleet.routes}
        self._free: list[int] = []
        self._slots = 0
        self._watches: dict[str, Pauses] = {}
        self._points = stream(seed, "routes").random
        self._ticks = False
        self.pools = {each.name: Pool(each, self) for each in fleet.served}
        self.keepers = {name: Keeper(pool, self, seed) for name, pool in self.pools.items()}
        for keeper in self.keepers.values():
            keeper.begin()

    # what replicas need

    def slot(self) -> int:
        """A column of the prefix index that nobody has."""
        if self._free:
            return heapq.heappop(self._free)
        self._slots += 1
        return self._slots - 1

    def free(self, slot: int) -> None:
        heapq.heappush(self._free, slot)

    def pauses(self, model: str) -> Pauses:
        return self._watches.setdefault(model, Pauses())

    def watch(self, replica: str, pauses: Pauses) -> Watch:
        return pauses if self._spans is None else self._spans.watch(replica, pauses)

    def rule(self, tenant: str) -> Tenant | None:
        return self._rules.get(tenant)

    # a request

    def come(self, planned: Planned, caller: int = -1) -> None:
        """It comes now."""
        self._wake()
        now, job = self.agenda.now, self._job(planned, caller)
        self.inside += 1
        self.ledger.came(job, now)
        name = self._named(planned.model)
        route = self._routes.get(name)
        model = self._first(route, job) if route else name
        pool = self.pools.get(model)
        account = self.accounts.of(job.tenant)
        if pool is None:
            self._gone(job, Ended.UNSERVED)
            return
        job.model = model
        if account is not None:
            job.held = account.enter(job.prompt, planned.output_tokens, pool.served.charge, now)
            if job.held is None:
                self._gone(job, Ended.REFUSED)
                return
        job.chain = chain_of(job.pieces, self._seed(model, job.adapter))
        pool.enter(job)

    def ended(self, job: Job, kind: Ended) -> None:
        if job.held is not None:
            answered = kind is Ended.FINISHED or kind is Ended.LEFT
            job.held.settle(job.prompt, job.output if answered else 0, job.cached, sent=job.tries > 0)
        self._gone(job, kind)

    def _gone(self, job: Job, kind: Ended) -> None:
        now = self.agenda.now
        job.ended = kind
        self.inside -= 1
        self.ledger.ended(job, kind, now)
        if self._spans is not None:
            self._spans.ended(job, kind, now)
        if self.told is not None:
            self.told(job, now)

    def _job(self, planned: Planned, caller: int) -> Job:
        leaves, pieces = planned.cancel_after, planned.prompt
        rule = self._rules.get(planned.tenant)
        if rule is not None and rule.isolated:
            own = _number(planned.tenant)
            pieces = tuple(Piece((each.id ^ own) & ((1 << 62) - 1) | each.id & _KIND, each.tokens) for each in pieces)
        asked = pieces[-1].id if pieces else 0
        return Job(
            planned.number,
            self.agenda.now,
            planned.stage,
            planned.model,
            planned.tenant,
            planned.adapter,
            planned.prompt_tokens,
            max(1, planned.output_tokens if leaves is None else leaves),
            pieces,
            asked | ANSWER if asked & _KIND == OWN and not planned.last else 0,
            leaves is not None,
            planned.session,
            caller,
            planned.last,
        )

    def _named(self, name: str) -> str:
        if name in self.pools or name in self._routes:
            return name
        return self.fleet.aliases.get(name, self.fleet.aliases.get("", ""))

    def _seed(self, model: str, adapter: str) -> int:
        return _number(f"{model}:{adapter}")

    # Routes

    def _first(self, route: RouteRule, job: Job) -> str:
        point = self._points()
        if job.session >= 0:
            point = _number(f"{route.name} {job.session}") / 2**60
        job.route = route.name
        found = first(route, point, {}, self._state, lambda name: self._outlook(name, job))
        if not (found and found[-1].taken):
            found += following(route, "error", (), self._state)
        return self._took(found, job)

    def moves(self, job: Job, condition: Condition) -> bool:
        """Its Route has another Model for it, which has it now. Not after a first token."""
        route = self._routes.get(job.route)
        if route is None or job.first_at >= 0:
            return False
        model = self._took(following(route, condition, job.tried, self._state), job)
        if not model:
            return False
        job.model, job.has_turn, job.waited_until, job.shunned = model, False, 0.0, frozenset()
        job.tries = 0  # its retry budget is not for what others lost
        self.pools[model].enter(job)
        return True

    def _took(self, steps: list[Step], job: Job) -> str:
        if not (steps and steps[-1].taken):
            return ""
        job.tried.add(steps[-1].model)
        return steps[-1].model

    def _state(self, name: str) -> State:
        pool = self.pools.get(name)
        return State("unknown") if pool is None else pool.state()

    def _outlook(self, name: str, job: Job) -> State:
        pool = self.pools.get(name)
        return State("unknown") if pool is None else pool.outlook(job)

    # each second, while there is anything to see

    def _wake(self) -> None:
        if not self._ticks:
            self._ticks = True
            self.agenda.at(self.agenda.now + self.manners.scrape, self._tick)

    def _tick(self, _: None) -> None:
        now = self.agenda.now
        for name, pool in self.pools.items():
            pool.tick(now)
            self.ledger.look(pool, self.keepers[name], now)
        busy = self.inside or any(keeper.starting or keeper.draining for keeper in self.keepers.values())
        self._ticks = bool(busy)
        if busy:
            self.agenda.at(now + self.manners.scrape, self._tick)


def _number(text: str) -> int:
    """Below 2^60, the same everywhere."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 4

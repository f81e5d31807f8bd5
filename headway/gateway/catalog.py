"""The RoutingTable made ready for requests: one Route a model, one Upstream an endpoint, swapped whole.

An endpoint that the new table still names keeps its Upstream (connections, counts); one that it names no more
is retired and stays countable until its last request ends. An endpoint that cannot be used (a secret that is
missing, an address that is none) is left out, and its model says why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from headway.errors import HeadwayError, ResourceError
from headway.gateway.board import SLOTS, Section
from headway.gateway.caching.rules import Caching, caching_of
from headway.gateway.frames import Load
from headway.gateway.learned import Learned
from headway.gateway.prompt import seed_of
from headway.gateway.public import Public, dearest, publics
from headway.gateway.record import EndpointStats
from headway.gateway.salt import SALTED_ENGINES
from headway.gateway.settings import Settings
from headway.gateway.split import Split, split_of
from headway.gateway.table import Endpoint, EndpointTls, ModelRoute, RoutingTable, TokenPrice
from headway.gateway.timers import Wheel
from headway.gateway.upstream import Upstream
from headway.policy.prefix import PrefixIndex
from headway.policy.route import Slo
from headway.policy.speed import ModelSpeed
from headway.store.secrets import resolve_secret

__all__ = ["Catalog", "Route"]

_Key = tuple[str, str, str, EndpointTls | None]  # id, url, the resolved key, TLS: a change of any is another Upstream


@dataclass(frozen=True, slots=True)
class Route:
    """One model as requests see it. `names[i]` is what `upstreams[i]` calls the model; empty = as the caller
    does. `model.price` is the highest of its endpoints; `prices` are of each, None where one price is all there is."""

    model: ModelRoute
    seed: int
    learned: Learned
    ids: tuple[str, ...]
    slots: tuple[int, ...]
    upstreams: tuple[Upstream, ...]
    names: tuple[str, ...]
    reason: str
    expected: bool
    caching: Caching | None
    salted: tuple[bool, ...] | None  # engines that keep tenants apart if told so; None = none does
    prices: tuple[TokenPrice | None, ...] | None = None
    thrifty: bool = False  # prices differ, and an SLO says how far the cheapest is used
    split: Split | None = None


class Catalog:
    def __init__(
        self, settings: Settings, wheel: Wheel, board: Sequence[Section], number: int, index: PrefixIndex
    ) -> None:
        self.routes: dict[str, Route] = {}
        self.publics: dict[str, Public] = {}  # names that stand for several models
        self.failures_of_the_gone: dict[str, int] = {}  # by replica: of endpoints that are no more
        self.version = 0
        self.ready = False  # a table was read
        self._settings, self._wheel, self._board, self._section = settings, wheel, board, board[number]
        self._index = index
        self._learned: dict[str, Learned] = {}
        self._looked_at = 0.0
        self._slots: Mapping[str, int] = {}
        self._upstreams: dict[_Key, Upstream] = {}
        self._leaving: set[Upstream] = set()

    def apply(self, table: RoutingTable, slots: Mapping[str, int]) -> list[str]:
        """Swap to `table`; `slots`: endpoint id -> its slot on the board.

        Returns what is wrong with endpoints that were left out, one line each.
        """
        kept: dict[_Key, Upstream] = {}
        routes: dict[str, Route] = {}
        problems: list[str] = []
        self._slots = slots
        shared = {name for rule in table.routes for name in rule.models}
        for model in table.models:
            routes[model.name] = self._route(model, kept, problems, shared)
        gone = [upstream for key, upstream in self._upstreams.items() if key not in kept]
        self._upstreams, self.routes = kept, routes
        self.publics = publics(table, routes)
        self.version, self.ready = table.version, True
        for upstream in gone:
            if upstream.own_running:
                self._leaving.add(upstream)
            else:
                self._bury(upstream)
            upstream.retire()
        return problems

    def _bury(self, upstream: Upstream) -> None:
        self._leaving.discard(upstream)
        if upstream.failures:
            before = self.failures_of_the_gone.get(upstream.replica, 0)
            self.failures_of_the_gone[upstream.replica] = before + upstream.failures

    def listed(self, name: str) -> ModelRoute:
        """A model or a Route that there is, as `GET /v1/models` shows it."""
        return self.routes[name].model if name in self.routes else self.publics[name].charged

    def upstreams(self) -> Iterable[Upstream]:
        yield from self._upstreams.values()
        yield from self._leaving

    def at(self, slot: int) -> list[Upstream]:
        """Those in this slot of the board: one endpoint, in use under one key or several."""
        return [upstream for upstream in self._upstreams.values() if upstream.slot == slot]

    def hear(self, signals: Mapping[int, Load | None], now: float) -> None:
        """What engines said of themselves, by slot."""
        for upstream in self._upstreams.values():
            if upstream.slot in signals:
                upstream.hear(signals[upstream.slot], now, self._index)

    def look(self, now: float) -> None:
        """Bring the loads up to date; once in each turn of the event loop is enough. Alone we know them anyway."""
        if now > self._looked_at and len(self._board) > 1:
            self._looked_at = now
            for upstream in self._upstreams.values():
                upstream.look(self._board, now)

    def stats(self) -> list[EndpointStats]:
        """One entry an id; endpoints that left the table are told while something runs on them."""
        by_id: dict[str, EndpointStats] = {}
        for upstream in self.upstreams():
            entry = by_id.setdefault(upstream.id, EndpointStats(upstream.id, 0, 0, 0))
            entry.running += upstream.own_running
            entry.total += upstream.total
            entry.failures += upstream.failures
        return list(by_id.values())

    def close(self) -> None:
        for upstream in self.upstreams():
            upstream.retire()

    def _route(
        self, model: ModelRoute, kept: dict[_Key, Upstream], problems: list[str], shared: Collection[str]
    ) -> Route:
        """`shared`: models that stand behind a Route."""
        usable: list[tuple[Upstream, Endpoint]] = []
        wrong: list[str] = []
        learned = self._learned.setdefault(model.name, Learned())
        for endpoint in model.routed:
            try:
                usable.append((self._upstream(endpoint, kept, learned.speed(endpoint.variant)), endpoint))
            except HeadwayError as error:
                wrong.append(f"model {model.name}, endpoint {endpoint.id}: {error}")
        problems += wrong
        knowing = {endpoint.id for endpoint in model.endpoints if endpoint.engine in SALTED_ENGINES}
        blocked = bool(wrong) and not usable
        reason = f"its endpoint {model.endpoints[0].id} cannot be used: see the gateway's log" if blocked else ""
        salted = tuple(upstream.id in knowing for upstream, _ in usable)
        prices = tuple(endpoint.price or model.price for _, endpoint in usable)
        priced = any(endpoint.price is not None for _, endpoint in usable)
        return Route(
            model=msgspec.structs.replace(model, price=dearest((*prices, model.price))) if priced else model,
            seed=seed_of(model.name),
            learned=learned,
            ids=tuple(upstream.id for upstream, _ in usable),
            slots=tuple(upstream.slot for upstream, _ in usable),
            upstreams=tuple(upstream for upstream, _ in usable),
            names=tuple(endpoint.upstream_model for _, endpoint in usable),
            reason=reason or model.reason,
            expected=model.expected and not blocked,
            caching=caching_of(model.name, model.cache, model),
            salted=salted if any(salted) else None,
            prices=prices if priced or model.name in shared else None,
            thrifty=len(set(prices)) > 1 and model.slo != Slo(),
            split=split_of(model),
        )

    def _upstream(self, endpoint: Endpoint, kept: dict[_Key, Upstream], shared: ModelSpeed) -> Upstream:
        secret = resolve_secret(endpoint.key) if endpoint.key else ""
        key = (endpoint.id, endpoint.url, secret, endpoint.tls)
        found = kept.get(key) or self._upstreams.get(key)
        if found is None:
            if (slot := self._slots.get(endpoint.id)) is None:
                raise ResourceError(f"more than {SLOTS} endpoints", hint="run several gateways")
            self._index.forget(slot)  # whoever had it before is not this one
            found = Upstream(
                endpoint,
                secret,
                slot=slot,
                settings=self._settings,
                wheel=self._wheel,
                section=self._section,
                speed=shared.endpoint(),
                left=self._bury,
            )
        kept[key] = found
        return found

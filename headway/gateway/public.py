"""A Route of the table made ready for requests: what it may cost at most, and the accounts that it pays from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from headway.gateway.caching.rules import caching_of
from headway.gateway.keyring import Caller, caller_of
from headway.gateway.table import KeyEntry, ModelRoute, RoutingTable, TokenPrice
from headway.policy.route import RouteRule

if TYPE_CHECKING:
    from headway.gateway.catalog import Route

__all__ = ["Public", "dearest", "publics"]


@dataclass(frozen=True, slots=True)
class Public:
    """`charged`: the Route as if it were a Model, at the highest price of those behind it; that much a tenant's budget
    must have room for. `payers`: by fallback Model, who pays from the Route's own budget there. `cached`: its
    Models, each with the Route's caches in place of its own; None = the Route has none."""

    rule: RouteRule
    charged: ModelRoute
    payers: Mapping[str, Caller]
    cached: Mapping[str, Route] | None = None


def dearest(prices: Iterable[TokenPrice | None]) -> TokenPrice | None:
    known = [price for price in prices if price is not None]
    if not known:
        return None
    return TokenPrice(*(max(getattr(each, part) for each in known) for part in ("input", "cached", "output")))


def publics(table: RoutingTable, models: Mapping[str, Route]) -> dict[str, Public]:
    """`models`: by name, each at its own highest price."""
    accounts = {rule.name: rule for rule in table.accounts}
    found = {}
    for rule in table.routes:
        behind = [models[name] for name in rule.models if name in models]
        task = behind[0].model.task if behind else "chat"
        price = dearest(each.model.price for each in behind)
        payers = {
            each.model: caller_of(KeyEntry("", name, name), accounts[name])
            for each in rule.fallback
            if each.limited and (name := rule.account(each))
        }
        charged = ModelRoute(rule.name, task, created=rule.created, price=price)
        found[rule.name] = Public(rule, charged, payers, _cached(rule, behind))
    return found


def _cached(rule: RouteRule, behind: Iterable[Route]) -> dict[str, Route] | None:
    if rule.cache is None:
        return None
    return {each.model.name: replace(each, caching=caching_of(rule.name, rule.cache, each.model)) for each in behind}

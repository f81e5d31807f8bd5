"""A Route of the table made ready for requests: what it may cost at most, and the accounts that it pays from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headway.gateway.keyring import Caller, caller_of
from headway.gateway.table import KeyEntry, ModelRoute, RoutingTable, TokenPrice
from headway.policy.route import RouteRule

__all__ = ["Public", "dearest", "publics"]


@dataclass(frozen=True, slots=True)
class Public:
    """`charged`: the Route as if it were a Model, at the highest price of those behind it; that much a tenant's budget
    must have room for. `payers`: by fallback Model, who pays from the Route's own budget there."""

    rule: RouteRule
    charged: ModelRoute
    payers: Mapping[str, Caller]


def dearest(prices: Iterable[TokenPrice | None]) -> TokenPrice | None:
    known = [price for price in prices if price is not None]
    if not known:
        return None
    return TokenPrice(*(max(getattr(each, part) for each in known) for part in ("input", "cached", "output")))


def publics(table: RoutingTable, models: Mapping[str, ModelRoute]) -> dict[str, Public]:
    """`models`: by name, each at its own highest price."""
    accounts = {rule.name: rule for rule in table.accounts}
    found = {}
    for rule in table.routes:
        behind = [models[name] for name in rule.models if name in models]
        task = behind[0].task if behind else "chat"
        price = dearest(each.price for each in behind)
        payers = {
            each.model: caller_of(KeyEntry("", name, name), accounts[name])
            for each in rule.fallback
            if each.limited and (name := rule.account(each))
        }
        found[rule.name] = Public(rule, ModelRoute(rule.name, task, created=rule.created, price=price), payers)
    return found

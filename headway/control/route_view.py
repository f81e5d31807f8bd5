"""A Route as it is told: what it says, how the Models behind it are, and what it spent on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from headway.control.snapshot import ModelState, RouteView, UsedView
from headway.control.tenant_view import used
from headway.spec.tenant import Budget
from headway.store.desired import DesiredState
from headway.store.ledger import Account

__all__ = ["route_views"]

_PERIODS: tuple[Literal["day", "month"], ...] = ("day", "month")


def route_views(wanted: DesiredState, states: Mapping[str, ModelState], address: str, now: float) -> list[RouteView]:
    """`states`: by Model; `now` is Unix time."""
    routes = wanted.routes.all()
    if not routes:
        return []
    accounts = wanted.ledger.accounts(now)
    return [
        RouteView(
            name=name,
            route=each.route.model_dump(mode="json", exclude_defaults=True) | {"kind": "Route"},
            models={model: states.get(model, "absent") for model in each.route.models},
            spent={
                fallback.model: _spent(f"{name}/{fallback.model}", fallback.budget, accounts, now)
                for fallback in each.route.fallback
                if any(found is not None for _, found in fallback.budget)
            },
            address=address,
            origin=each.origin,
            since=each.created,
        )
        for name, each in routes.items()
    ]


def _spent(account: str, budget: Budget, accounts: list[Account], now: float) -> dict[str, UsedView]:
    own = [each for each in accounts if each.tenant == account]
    return {period: used(budget, period, own, now) for period in _PERIODS}

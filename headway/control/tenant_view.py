"""A Tenant as it is told: what it may, and what it used."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from headway.control.snapshot import TenantView, UsedView
from headway.policy.period import start_of
from headway.spec.tenant import Budget, Tenant
from headway.store.desired import DesiredState
from headway.store.keys import Key
from headway.store.ledger import Account
from headway.store.tenants import DesiredTenant

__all__ = ["shown", "tenant_views", "used"]


def tenant_views(wanted: DesiredState, now: float) -> list[TenantView]:
    """`now` is Unix time."""
    tenants = wanted.tenants.all()
    if not tenants:
        return []
    accounts, keys = wanted.ledger.accounts(now), wanted.keys.all()
    return [_view(each, _of(name, accounts), _valid(name, keys, now), now) for name, each in tenants.items()]


def _view(wanted: DesiredTenant, accounts: Collection[Account], keys: int, now: float) -> TenantView:
    budget = wanted.tenant.budget
    return shown(
        wanted.tenant,
        keys=keys,
        origin=wanted.origin,
        since=wanted.created,
        day=used(budget, "day", accounts, now),
        month=used(budget, "month", accounts, now),
    )


def shown(tenant: Tenant, *, keys: int, origin: str, since: float, day: UsedView, month: UsedView) -> TenantView:
    """What a Tenant may, as every Site tells it."""
    return TenantView(
        name=tenant.name,
        members=list(tenant.members),
        models=None if tenant.models is None else list(tenant.models),
        limits={name: size for name, size in tenant.limits if size is not None},
        priority=tenant.priority,
        weight=tenant.weight,
        log=tenant.data.log,
        cache=tenant.cache,
        keys=keys,
        origin=origin,
        since=since,
        day=day,
        month=month,
    )


def used(budgets: Budget, period: Literal["day", "month"], accounts: Iterable[Account], now: float) -> UsedView:
    """Of a period, by the account that is of it among these."""
    account = next((each for each in accounts if each.period == period), None)
    start = start_of(period, now)
    view = UsedView(start, account.requests, account.tokens, account.micros) if account else UsedView(start, 0, 0, 0)
    budget = budgets.day if period == "day" else budgets.month
    if budget is not None:
        spent = view.tokens if budget.unit == "tokens" else view.micros
        view.budget, view.unit, view.left = str(budget), budget.unit, max(0, budget.amount - spent)
    return view


def _of(name: str, accounts: Iterable[Account]) -> list[Account]:
    return [each for each in accounts if each.tenant == name]


def _valid(name: str, keys: Iterable[Key], now: float) -> int:
    return sum(1 for each in keys if each.tenant == name and each.is_valid(now))

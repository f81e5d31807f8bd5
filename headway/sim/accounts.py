"""What tenants may use, exactly: one gateway that knows all at once. Decides by `policy.admission`.

In production a hub lends each worker a part; here there is one and nothing needs lending, so that a request is let in
or refused at once. Rates are buckets of a minute (`policy.bucket`); days and months are counted from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable

from headway.policy.admission import Request, admit, ceilings, reserve_for
from headway.policy.bucket import Bucket
from headway.policy.budget import AXIS_OF, LIMITS, Amounts, Axis, Limit
from headway.policy.price import Price, cost
from headway.sim.fleet import Tenant

__all__ = ["Account", "Accounts", "Reservation"]

_LIKELY = 1.2
_MUCH = 1 << 62
_PERIODS = {Limit.DAY_TOKENS: 86_400.0, Limit.DAY_MICROS: 86_400.0}
_MONTH = 30 * 86_400.0


class Reservation:
    """What one request holds of its tenant's limits."""

    __slots__ = ("account", "amounts", "price")

    def __init__(self, account: Account, amounts: Amounts, price: Price | None) -> None:
        self.account, self.amounts, self.price = account, amounts, price

    def settle(self, prompt: int, output: int, cached: int, *, sent: bool) -> None:
        tokens, micros = (prompt + output, cost(self.price, prompt, output, cached)) if sent else (0, 0)
        self.account.settle(self.amounts, tokens, micros)


class Account:
    """One tenant's: the `View` of policy.admission."""

    def __init__(self, rule: Tenant) -> None:
        self.rule, self.limits = rule, ceilings(rule)
        self._held = [0, 0, 0, 0]
        self._used: dict[Limit, int] = {}
        self._buckets: dict[Limit, Bucket] = {
            each.limit: Bucket(each.size, float(each.size), 0.0)
            for each in self.limits
            if each.limit in (Limit.RPM, Limit.TPM)
        }
        self._sizes = {each.limit: each.size for each in self.limits}
        self._period: dict[Limit, int] = {}
        self._now = 0.0

    def enter(self, prompt: int, output: int | None, price: Price | None, now: float) -> Reservation | None:
        """None: refused. `output`: the most that it may have, as its caller says."""
        if not self.limits:
            return Reservation(self, Amounts(), price)
        self._look(now)
        request = Request(int(_LIKELY * prompt) + 8, output)
        amounts = reserve_for(request, price, self.limits, self).amounts
        if admit(self.rule, self.limits, amounts, self, now) is not None:
            return None
        for axis, amount in enumerate(amounts.each()):
            self._held[axis] += amount
        return Reservation(self, amounts, price)

    def settle(self, amounts: Amounts, tokens: int, micros: int) -> None:
        held = amounts.each()
        for axis, amount in enumerate(held):
            self._held[axis] -= amount
        for each in self.limits:
            axis = AXIS_OF[each.limit]
            used = {Axis.REQUESTS: held[0], Axis.TOKENS: tokens, Axis.MICROS: micros}.get(axis, 0)
            if bucket := self._buckets.get(each.limit):
                bucket.move(-used)
            else:
                self._used[each.limit] = self._used.get(each.limit, 0) + used

    def _look(self, now: float) -> None:
        self._now = now
        for bucket in self._buckets.values():
            bucket.refill(now, 0)
        for each in self.limits:
            period = int(now // _PERIODS.get(each.limit, _MONTH))
            if self._period.get(each.limit, 0) != period:
                self._period[each.limit] = period
                self._used[each.limit] = 0

    # the View

    def rooms(self) -> list[int]:
        rooms = [_MUCH] * LIMITS
        for each in self.limits:
            rooms[each.limit] = self.left(each.limit)
        return rooms

    def left(self, limit: Limit) -> int:
        return self.unspent(limit) - self._held[AXIS_OF[limit]]

    def unspent(self, limit: Limit) -> int:
        if bucket := self._buckets.get(limit):
            return int(bucket.level)
        return self._sizes.get(limit, _MUCH) - self._used.get(limit, 0)


class Accounts:
    """By tenant. Whoever has no rule is not limited."""

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        self._accounts = {each.name: Account(each) for each in tenants}

    def of(self, tenant: str) -> Account | None:
        return self._accounts.get(tenant)

"""Limits and budgets of a request: reserved before it goes anywhere, settled by what it used when it ends.

A worker decides by what the hub has lent it, without asking. When that is used up the request waits a moment for more;
when nobody has more it is refused, and told when to come again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

from headway.gateway.frames import Short
from headway.gateway.keyring import Caller
from headway.gateway.table import ModelRoute
from headway.policy.admission import NotYet, Refused, Request, Reserve, admit, out_of_scope, reserve_for
from headway.policy.budget import Limit
from headway.policy.price import cost
from headway.store.purse import Purse, TenantPurse
from headway.wire.openai import Refusal
from headway.wire.usage import Usage

if TYPE_CHECKING:
    from headway.gateway.hubline import HubLine

__all__ = ["Reservation", "Tenancy", "Waiter", "refusal_of"]

WAIT_SECONDS: Final = 2.0
"""For the hub to lend more. It answers within some milliseconds; it may be gone for a second."""
TEMPLATE_TOKENS: Final = 64
"""What a chat template adds at most to the text of a prompt, beyond what its JSON has in brackets and names."""
UNSEEN_TOKENS: Final = 16
"""An engine may have generated so many more than came here, when its caller left."""


class Waiter(Protocol):
    def admit_again(self) -> None:
        """The hub may have lent more."""


class Reservation:
    """What one request holds of its tenant's limits. Settled once, whatever becomes of it."""

    __slots__ = ("_purse", "_settled", "cap", "held", "left", "micros", "price", "sent", "tokens")

    def __init__(self, purse: TenantPurse, reserve: Reserve, route: ModelRoute) -> None:
        self._purse, self.price = purse, route.price
        self.held, self.cap = reserve.amounts, reserve.cap
        self.left = purse.standing()  # before it took its share
        self.tokens = self.micros = 0  # what it was charged in the end
        self.sent = False  # an engine has it: from here on it costs something
        self._settled = False
        purse.reserve(reserve.amounts)

    def settle(self, usage: Usage | None, prompt_tokens: int, *, whole: bool) -> None:
        """`prompt_tokens`: the most that the prompt can have, where the engine has not said. `whole`: its answer ended
        as it should, so that the count is right."""
        if self._settled:
            return
        self._settled = True
        if self.sent:
            if usage is None:  # the engine did not say, or was not heard to the end: all that it may have been
                self.tokens, self.micros = self.held.tokens, self.held.micros
            else:
                prompt = prompt_tokens if usage.prompt_tokens is None else usage.prompt_tokens
                completion = (usage.completion_tokens or 0) + (0 if whole else UNSEEN_TOKENS)
                self.tokens = prompt + completion
                self.micros = cost(self.price, prompt, completion, usage.cached_tokens or 0)
        self._purse.settle(self.held, self.tokens, self.micros)


class Tenancy:
    """One worker's."""

    def __init__(self, hub: HubLine) -> None:
        self._hub = hub
        self._purse: Purse | None = None  # until the hub has lent something
        self._waiting: dict[Waiter, tuple[str, NotYet]] = {}
        self._wanted: dict[tuple[str, Limit], int] = {}

    def lend(self, purse: Purse) -> None:
        self._purse = purse
        self.lent()

    def lent(self) -> None:
        """The hub has shared out: those who wait try again, and of what they leave is given back what it asks for."""
        waiting, self._waiting = list(self._waiting), {}
        for waiter in waiting:
            waiter.admit_again()
        self._ask()
        if self._purse is not None and self._purse.give_back():
            self._hub.say(Short())

    def reserve(
        self, caller: Caller, route: ModelRoute, request: Request, bound: int
    ) -> Reservation | NotYet | Refused:
        """`request.prompt_tokens` is likely, `bound` the most there can be: what a budget is charged is covered."""
        now = time.time()
        if route.name not in caller.may or caller.key.expires is not None:
            if refused := out_of_scope(caller.rule, caller.key.models, caller.key.expires, route.name, now):
                return refused
            caller.may.add(route.name)
        purse = self._of(caller.rule.name)
        if purse is None:  # the hub is about to open an account for it
            return NotYet(Limit.RPM, 0)
        limits = caller.limits
        if caller.budgeted:
            request = Request(bound, request.max_tokens, request.choices)
        reserve = reserve_for(request, route.price, limits, purse)
        found = admit(caller.rule, limits, reserve.amounts, purse, now)
        return found or Reservation(purse, reserve, route)

    def standing(self, tenant: str) -> list[int]:
        """What is left of each limit, by Limit; empty while the hub has lent nothing."""
        purse = self._of(tenant)
        return purse.standing() if purse else []

    def wait(self, waiter: Waiter, tenant: str, need: NotYet) -> None:
        """Until the hub has lent more; the waiter minds its own deadline."""
        self._waiting[waiter] = (tenant, need)
        self._ask()

    def leave(self, waiter: Waiter) -> None:
        if self._waiting.pop(waiter, None):
            self._ask()

    def _ask(self) -> None:
        """Write down what those who wait need, and wake the hub. Half of what is left at most, for others want some
        too, and a need that cannot be met whole is not met at all."""
        wanted: dict[tuple[str, Limit], int] = {}
        for tenant, need in self._waiting.values():
            key, purse = (tenant, need.limit), self._of(tenant)
            known = wanted.get(key, 0)
            if purse and (not known or known + need.amount <= purse.left(need.limit) // 2):
                wanted[key] = known + need.amount
        for tenant, limit in self._wanted.keys() | wanted.keys():
            if purse := self._of(tenant):
                purse.want(limit, wanted.get((tenant, limit), 0))
        self._wanted = wanted
        if self._waiting:
            self._hub.say(Short())

    def _of(self, tenant: str) -> TenantPurse | None:
        return self._purse.tenant(tenant) if self._purse else None


def refusal_of(refused: Refused) -> Refusal:
    again = None if refused.retry_after is None else max(1, int(refused.retry_after + 0.999))
    message = refused.message[:1].upper() + refused.message[1:] + "."
    return Refusal(refused.status, refused.code, message, retry_after=again)

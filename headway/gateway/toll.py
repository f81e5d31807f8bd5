"""A gate behind the gate: a fallback that has its own budget reserves from that too, beside the tenant's limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.gateway.gate import Gate
from headway.gateway.keyring import Caller
from headway.gateway.record import Charge
from headway.gateway.table import TokenPrice
from headway.gateway.tenancy import Waiter
from headway.wire.calls import Call
from headway.wire.usage import Usage

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["Tolled"]


class Tolled(Gate):
    """`inner` is the caller's own gate, `own` that of the Route's budget. All that happens, happens at both."""

    __slots__ = ("inner", "own")

    def __init__(self, gateway: Gateway, inner: Gate, payer: Caller) -> None:
        super().__init__(gateway, inner.caller)
        self.inner, self.own = inner, Gate(gateway, payer)

    @property
    def passed(self) -> bool:
        return self.inner.passed and self.own.passed

    def fields(self, call: Call) -> dict[str, object]:
        mine, theirs = self.own.fields(call), self.inner.fields(call)
        caps = [each for fields in (mine, theirs) if isinstance(each := fields.get("max_tokens"), int)]
        return theirs | mine | ({"max_tokens": min(caps)} if caps else {})

    def hides_usage(self, call: Call | None) -> bool:
        return self.own.hides_usage(call) or self.inner.hides_usage(call)

    def priced(self, price: TokenPrice | None) -> None:
        self.inner.priced(price)
        self.own.priced(price)

    def charge(self) -> Charge | None:
        """The tenant's; the Route's own is nobody's business."""
        return self.inner.charge()

    def sent(self) -> None:
        self.inner.sent()
        self.own.sent()

    def leave(self, waiter: Waiter, usage: Usage | None, *, whole: bool, free: bool) -> None:
        self.own.leave(waiter, usage, whole=whole, free=free)
        self.inner.leave(waiter, usage, whole=whole, free=free)

"""One request at the gate: who calls, whether the limits allow it, and what it is charged in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headway.gateway.keyring import Caller
from headway.gateway.prompt import Prompt
from headway.gateway.record import Charge
from headway.gateway.table import ModelRoute, TokenPrice
from headway.gateway.tenancy import TEMPLATE_TOKENS, WAIT_SECONDS, Reservation, Waiter, refusal_of
from headway.policy.admission import NotYet, Refused, Request
from headway.policy.fairness import PRIORITIES
from headway.wire.calls import Call, OtherCall, TextCall
from headway.wire.openai import Refusal
from headway.wire.usage import Usage

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["Gate"]

LIKELY: Final = 1.2
"""Prompts are reserved a fifth above what they likely have: estimates err to both sides."""


class Gate:
    """`caller` is None where nobody needs a key; then nothing is limited and nothing charged."""

    __slots__ = ("_bound", "_gateway", "_refused", "_reservation", "_waits_until", "caller")

    def __init__(self, gateway: Gateway, caller: Caller | None) -> None:
        self.caller = caller
        self._gateway = gateway
        self._reservation: Reservation | None = None
        self._refused: Refused | None = None
        self._waits_until: float | None = None
        self._bound = 0

    @property
    def tenant(self) -> str:
        return self.caller.rule.name if self.caller else ""

    @property
    def kept(self) -> bool:
        """A Record of it may be kept."""
        return self.caller is None or self.caller.rule.log != "none"

    @property
    def weight(self) -> float:
        return self.caller.rule.weight if self.caller else 1.0

    def priority(self, asked: bytes | None) -> str:
        """The tenant's; a caller may lower it for one request, never raise it."""
        own = self.caller.rule.priority if self.caller else "normal"
        wanted = (asked or b"").decode("latin-1").strip().lower()
        if wanted in PRIORITIES and PRIORITIES.index(wanted) > PRIORITIES.index(own):
            return wanted
        return own

    @property
    def seed(self) -> int:
        """Mixed into that of the model: whose prompts may be found cached."""
        return self.caller.seed if self.caller else 0

    @property
    def passed(self) -> bool:
        return self.caller is None or self._reservation is not None

    def enter(
        self, waiter: Waiter, model: ModelRoute, call: Call, prompt: Prompt, now: float
    ) -> Refusal | float | None:
        """None = go on. A time = the hub was asked for more and calls `waiter.admit_again`; come back then at last."""
        if self.caller is None or self._reservation is not None:
            return None
        self._bound = prompt.bytes + TEMPLATE_TOKENS
        most, choices = None, 1
        if isinstance(call, TextCall):
            most, choices = call.max_completion_tokens or call.max_tokens, max(1, call.n or 1)
        else:
            most = (call.max_output_tokens or 0) if isinstance(call, OtherCall) else 0
        request = Request(int(LIKELY * prompt.tokens) + 8, most, choices)
        found = self._gateway.tenancy.reserve(self.caller, model, request, self._bound)
        if isinstance(found, Refused):
            self._refused = found
            return refusal_of(found)
        if isinstance(found, Reservation):
            self._reservation, self._waits_until = found, None
            return None
        return self._wait(waiter, found, now)

    def _wait(self, waiter: Waiter, need: NotYet, now: float) -> Refusal | float:
        if self._waits_until is None:
            self._waits_until = now + WAIT_SECONDS
        if now >= self._waits_until:
            message = "Your tenant's limits cannot be looked up at the moment."
            return Refusal(503, "limits_unavailable", message, retry_after=1)
        self._gateway.tenancy.wait(waiter, self.tenant, need)
        return self._waits_until

    def fields(self, call: Call) -> dict[str, object]:
        """What the call must say besides, so that it can be charged: a usage, and an end if the caller named none."""
        found: dict[str, object] = {}
        if self._reservation is None or not isinstance(call, TextCall):
            return found
        if self.hides_usage(call):
            found["stream_options"] = {"include_usage": True}
        if self._reservation.cap is not None:
            found["max_tokens"] = self._reservation.cap
        return found

    def hides_usage(self, call: Call | None) -> bool:
        """The caller did not ask for the usage that we ask for."""
        if self._reservation is None or not isinstance(call, TextCall) or not call.stream:
            return False
        return not (call.stream_options and call.stream_options.include_usage)

    def priced(self, price: TokenPrice | None) -> None:
        """What it is charged for is answered at this price, not above the one that was reserved for."""
        if self._reservation is not None:
            self._reservation.price = price

    def sent(self) -> None:
        """An engine has it."""
        if self._reservation is not None:
            self._reservation.sent = True

    def leave(self, waiter: Waiter, usage: Usage | None, *, whole: bool, free: bool) -> None:
        """It has ended. `whole`: as it should; `free`: the engine did nothing for it."""
        if self._waits_until is not None:
            self._gateway.tenancy.leave(waiter)
        if self._reservation is not None:
            if free:
                self._reservation.sent = False
            self._reservation.settle(usage, self._bound, whole=whole)

    def charge(self) -> Charge | None:
        """What the limits said, and what it was charged; to be asked when it has left."""
        caller, held = self.caller, self._reservation
        if caller is None:
            return None
        charge = Charge(caller.key.id, caller.names, caller.sizes)
        if held is not None:
            charge.left, charge.held_tokens, charge.held_micros = held.left, held.held.tokens, held.held.micros
            charge.tokens, charge.micros = held.tokens, held.micros
        elif self._refused is not None and self._refused.limit is not None:
            charge.left = self._gateway.tenancy.standing(self.tenant)
            charge.refused_by = self._refused.limit.name.lower()
        return charge

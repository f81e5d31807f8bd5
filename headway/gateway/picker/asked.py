"""What a request asks for, where a data plane brings it: the gateway's own reading, and the hints beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from headway.gateway.asked import Asked
from headway.gateway.catalog import Route
from headway.gateway.gate import Gate
from headway.gateway.picker.hints import Hints
from headway.gateway.request import Request
from headway.policy.fairness import PRIORITIES
from headway.wire.calls import Call, ChatCall, CompletionCall, EmbeddingCall
from headway.wire.openai import Operation, Refusal

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["HintedAsked"]

_HIGH, _NORMAL, _LOW = PRIORITIES


class _FlowGate(Gate):
    """Where nobody needs a key, the data plane says who must not push out whom."""

    __slots__ = ("_flow",)

    def __init__(self, gateway: Gateway, flow: str) -> None:
        super().__init__(gateway, None)
        self._flow = flow

    @property
    def tenant(self) -> str:
        return self._flow


class HintedAsked(Asked):
    """`sheddable`: to be turned away when there is no room."""

    __slots__ = ("_hints", "_objective")

    def __init__(self, gateway: Gateway, request: Request, operation: Operation, hints: Hints) -> None:
        super().__init__(gateway, request, operation)
        self._hints = hints
        self._objective = gateway.objectives.get(hints.objective)

    def read(self, *, near: bool) -> Refusal | None:
        refusal = super().read(near=near)
        if refusal is None:
            self.model = self._hints.model or self.model
            if self.gate.caller is None and self._hints.flow:
                self.gate = _FlowGate(self._gateway, self._hints.flow)
        return refusal

    @property
    def sheddable(self) -> bool:
        return self._objective is not None and self._objective < 0

    @property
    def priority(self) -> str:
        """A key's tenant is a ceiling. Without keys the objective counts, and the caller's header may lower it."""
        own = super().priority
        if self._objective is None:
            return own
        wanted = _HIGH if self._objective > 0 else _LOW if self._objective < 0 else _NORMAL
        if self.gate.caller is None and own == _NORMAL:
            return wanted
        return max(own, wanted, key=PRIORITIES.index)

    def renamed(self, route: Route, index: int) -> str:
        """The model's name for this endpoint; empty = as the caller wrote it."""
        return route.names[index] or self.named or self._hints.model

    def forget(self) -> None:
        """It is on its way: let go of its body, which nobody here needs again. What else the call said is kept."""
        if self._call is not None:
            self._call = _emptied(self._call)
        self.request.parts = [b""]


def _emptied(call: Call) -> Call:
    """Without the text, which is a view of the body."""
    if isinstance(call, ChatCall):
        return msgspec.structs.replace(call, messages=msgspec.Raw(b"[]"), tools=msgspec.Raw(b""))
    if isinstance(call, CompletionCall):
        return msgspec.structs.replace(call, prompt=msgspec.Raw(b'""'))
    if isinstance(call, EmbeddingCall):
        return msgspec.structs.replace(call, input=msgspec.Raw(b'""'))
    return call

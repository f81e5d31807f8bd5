"""The caller's side of one request, as what answers it sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from headway.wire.openai import Refusal

if TYPE_CHECKING:
    from headway.gateway.exchange import Exchange

__all__ = ["Caller", "Client"]


class Caller(Protocol):
    """To whom a relay writes an answer."""

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        """The whole answer."""

    def start(self, status: int, headers: bytes, length: int | None) -> None: ...
    def write(self, data: bytes) -> None: ...
    def end(self) -> None: ...
    def abort(self) -> None:
        """Break the connection, so that a partial answer cannot pass for a whole one."""


class Client(Caller, Protocol):
    """Whose request an Exchange is."""

    @property
    def near(self) -> bool:
        """The caller is on this machine."""

    def refuse(self, refusal: Refusal) -> None: ...
    def wake_at(self, due: float) -> None:
        """Call `on_due` at this time, or earlier."""

    def hand_over(self, running: Exchange) -> None:
        """This one goes on with the request."""

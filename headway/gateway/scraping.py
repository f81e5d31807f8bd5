"""A caller's `GET /metrics`: the hub adds up all workers, this waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from headway.wire.openai import Refusal

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["Scraping"]

_CONTENT_TYPE = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"
_SECONDS = 5.0


class _Client(Protocol):
    def respond(self, status: int, headers: bytes, body: bytes) -> None: ...
    def refuse(self, refusal: Refusal) -> None: ...
    def wake_at(self, due: float) -> None: ...


class Scraping:
    def __init__(self, gateway: Gateway, client: _Client, names: str = "") -> None:
        self._gateway, self._client = gateway, client
        self._ended = False
        client.wake_at(gateway.time() + _SECONDS)
        self._number = gateway.hub.scrape(self._answer, names)

    def pause(self) -> None:
        """It is sent whole."""

    def resume(self) -> None:
        """It is sent whole."""

    def left(self) -> None:
        self._ended = True
        self._gateway.hub.forget(self._number)

    def stop(self) -> None:
        self._refuse("The gateway is shutting down.")

    def on_due(self, now: float) -> None:
        self._refuse(f"The workers did not say their counts within {_SECONDS:g} s.")

    def _answer(self, text: bytes | None) -> None:
        if text is None:
            self._refuse("The process that adds up the workers' counts is gone; it is being started again.")
        elif not self._ended:
            self._ended = True
            self._client.respond(200, _CONTENT_TYPE, text)

    def _refuse(self, message: str) -> None:
        if not self._ended:
            self._ended = True
            self._client.refuse(Refusal(503, "not_ready", message, retry_after=1))

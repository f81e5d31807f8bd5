"""How many tokens a Messages call has, asked of an engine: in vLLM's way, then in llama.cpp's.

Nobody knows beforehand which an engine has. One that has neither is told of as it is: a number that is made up would be
worse than none.
"""

from __future__ import annotations

from headway.gateway import answers
from headway.gateway.asked import Asked
from headway.gateway.client import ClientConnection, Running
from headway.gateway.core import Gateway
from headway.gateway.exchange import Exchange
from headway.gateway.messages import read_form
from headway.gateway.request import Request
from headway.wire.anthropic import ChatForm, engine_error, token_count
from headway.wire.openai import COUNTS, Refusal

__all__ = ["begin_counting"]

_UNSERVED = (200, 404, 405, 501)
"""With these an engine shows that it does not count so; llama.cpp's /tokenize says 200 to a chat and counts nothing."""


def begin_counting(gateway: Gateway, client: ClientConnection, request: Request) -> Running:
    form = read_form(gateway, client, request, counting=True)
    if isinstance(form, ChatForm):
        return Counting(gateway, client, request, form).begin()
    exchange = Exchange(gateway, client, Asked(gateway, request, COUNTS[0]))
    exchange.begin(form)
    return exchange


class Counting:
    """The caller's side of each try (exchange.Client), and for the caller's connection what runs (client.Running)."""

    def __init__(self, gateway: Gateway, client: ClientConnection, request: Request, form: ChatForm) -> None:
        self._gateway, self._client, self._request, self._form = gateway, client, request, form
        self._ways = list(COUNTS)
        self._exchange = Exchange(gateway, self, Asked(gateway, request, self._ways.pop(0)))
        self._left = False

    def begin(self) -> Running:
        self._exchange.begin()
        return self

    # for the exchange

    @property
    def near(self) -> bool:
        return self._client.near

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        if status == 200 and (counted := token_count(body)):
            self._client.respond(200, answers.JSON + answers.messages_headers(self._request), counted)
        elif status not in _UNSERVED:
            headers += answers.messages_headers(self._request)
            self._client.respond(status, headers, engine_error(status, body, self._request.id))
        elif self._ways:
            self._gateway.loop.call_soon(self._next)  # once this try has ended
        else:
            message = f"The engine of the model {self._form.model!r} cannot count the tokens of a chat."
            self._client.refuse(Refusal(404, "wrong_endpoint", message, "model"))

    def _next(self) -> None:
        if not self._left:
            self._exchange = Exchange(self._gateway, self, Asked(self._gateway, self._request, self._ways.pop(0)))
            self._exchange.begin()

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        """A count is no stream, nor a megabyte."""
        self._client.abort()

    def write(self, data: bytes) -> None: ...
    def end(self) -> None: ...

    def abort(self) -> None:
        self._client.abort()

    def refuse(self, refusal: Refusal) -> None:
        self._client.refuse(refusal)

    def wake_at(self, due: float) -> None:
        self._client.wake_at(due)

    def hand_over(self, running: Exchange) -> None:
        self._exchange = running

    # for the connection

    def pause(self) -> None:
        self._exchange.pause()

    def resume(self) -> None:
        self._exchange.resume()

    def left(self) -> None:
        self._left = True
        self._exchange.left()

    def stop(self) -> None:
        self._exchange.stop()

    def on_due(self, now: float) -> None:
        self._exchange.on_due(now)

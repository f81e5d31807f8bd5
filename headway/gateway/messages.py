"""Anthropic's Messages API at the gateway: a call becomes a chat call before an Exchange sees it, its answer a Message.

So keys, limits, routing, caches, retries and Records are those of chat, and chat pays nothing for it: an Exchange talks
to a Client, and here that is a Translator in front of the caller's connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from headway.gateway import answers
from headway.gateway.asked import Asked
from headway.gateway.client import ClientConnection, Running
from headway.gateway.core import Gateway
from headway.gateway.exchange import Exchange
from headway.gateway.request import Request
from headway.wire.anthropic import ChatForm, MessageStream, Unreadable, engine_error, message, read_message
from headway.wire.openai import MESSAGES, Refusal

__all__ = ["begin_message", "read_form"]

_HELD_MAX = 32 * 1024 * 1024
"""The longest answer that is no stream: as long as a call may be."""


def begin_message(gateway: Gateway, client: ClientConnection, request: Request) -> Running:
    form = read_form(gateway, client, request)
    if isinstance(form, Refusal):
        exchange = Exchange(gateway, client, Asked(gateway, request, MESSAGES))
        exchange.begin(form)
    else:
        translator = Translator(client, request, form)
        exchange = Exchange(gateway, translator, Asked(gateway, request, MESSAGES))
        translator.lost = partial(gateway.loop.call_soon, exchange.lost, "malformed")
        exchange.begin()
    return exchange


def read_form(
    gateway: Gateway, client: ClientConnection, request: Request, *, counting: bool = False
) -> ChatForm | Refusal:
    """The call as a chat call, which from here on is the request's body. Nothing is translated for strangers."""
    caller = gateway.keyring.find(request.headers, near=client.near)
    if isinstance(caller, Refusal):
        return caller
    form = read_message(request.body, counting=counting)
    if isinstance(form, ChatForm):
        request.parts = [form.body]
    return form


class Translator:
    """The caller's side of one Messages call, as its Exchange sees it (exchange.Client)."""

    def __init__(self, client: ClientConnection, request: Request, form: ChatForm) -> None:
        self._client, self._request, self._form = client, request, form
        self.lost: Callable[[], object] | None = None  # to be called when the engine cannot be understood
        self._stream: MessageStream | None = None
        self._headers = b""
        self._held: list[bytes] = []  # of an answer that is no stream and came in parts
        self._size = 0

    @property
    def near(self) -> bool:
        return self._client.near

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        self.lost = None  # which knows us
        headers += answers.messages_headers(self._request)
        if status != 200:
            self._client.respond(status, headers, engine_error(status, body, self._request.id))
            return
        try:
            said = message(body, self._form, self._request.id)
        except Unreadable as error:
            self.refuse(Refusal(502, "engine_failed", f"The answer cannot be told as a Message: {error}."))
        else:
            self._client.respond(200, headers, said)

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        self._headers = headers
        if b"text/event-stream" in headers:
            self._stream = MessageStream(self._form, self._request.id)
            self._client.start(status, headers + answers.messages_headers(self._request), None)

    def write(self, data: bytes) -> None:
        if self._stream is not None:
            self._client.write(self._stream.feed(data))
            if self._stream.unreadable and self.lost is not None:
                self.lost()
                self.lost = None
            return
        self._held.append(data)
        self._size += len(data)
        if self._size > _HELD_MAX:
            self._client.abort()

    def end(self) -> None:
        self.lost = None
        if self._stream is not None:
            self._client.end()
        else:
            self.respond(200, self._headers, b"".join(self._held))

    def abort(self) -> None:
        self.lost = None
        self._client.abort()

    def refuse(self, refusal: Refusal) -> None:
        self.lost = None
        self._client.refuse(refusal)

    def wake_at(self, due: float) -> None:
        self._client.wake_at(due)

    def hand_over(self, running: Exchange) -> None:
        self.lost = partial(asyncio.get_running_loop().call_soon, running.lost, "malformed")
        self._client.hand_over(running)

"""The paths that callers use, and what answers each: the models' operations run as an Exchange, the rest at
once."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

import msgspec

from headway.gateway import answers
from headway.gateway.asked import Asked
from headway.gateway.client import ClientConnection, Running
from headway.gateway.core import Gateway
from headway.gateway.counting import begin_counting
from headway.gateway.exchange import Exchange
from headway.gateway.messages import begin_message
from headway.gateway.request import Request
from headway.gateway.scraping import Scraping
from headway.gateway.table import ModelRoute
from headway.wire.anthropic import model_info, model_page
from headway.wire.http import split_target
from headway.wire.openai import COUNTS, MESSAGES, OPERATIONS, Operation, Refusal, model_not_found, other_operation

__all__ = ["Api"]

_TEXT: Final = b"content-type: text/plain; charset=utf-8\r\n"
_MODELS: Final = "/v1/models"
_METRICS: Final = "/metrics"
_READS: Final = "GET, HEAD, OPTIONS"
_CALLS: Final = "POST, OPTIONS"


class Api:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._reads = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }
        self._translated = {MESSAGES.path: begin_message, COUNTS[0].path: begin_counting}

    def serve(self, client: ClientConnection, request: Request) -> Running | None:
        operation = OPERATIONS.get(request.target.decode("latin-1"))
        if operation is None or request.method != "POST":
            return self._serve_rest(client, request)
        exchange = Exchange(self._gateway, client, Asked(self._gateway, request, operation))
        exchange.begin()
        return exchange

    def _serve_rest(self, client: ClientConnection, request: Request) -> Running | None:
        """Everything but the plain hot path."""
        try:
            path, query = split_target(request.target)
        except ValueError as error:
            client.refuse(Refusal(400, "bad_request", f"The request target is not readable: {error}."))
            return None
        if path in self._translated:
            if request.method == "POST":
                return self._translated[path](self._gateway, client, request)
            self._not_called(client, request, path, _CALLS)
        elif operation := OPERATIONS.get(path) or self._other(path, request.method):
            if request.method == "POST":
                exchange = Exchange(self._gateway, client, Asked(self._gateway, request, operation))
                exchange.begin()
                return exchange
            self._not_called(client, request, path, _CALLS)
        elif path in (_METRICS, _MODELS) or path in self._reads or path.startswith(_MODELS + "/"):
            if request.method not in ("GET", "HEAD"):
                self._not_called(client, request, path, _READS)
            elif path == _METRICS:
                return Scraping(self._gateway, client, parse_qs(query).get("names", [""])[0])
            elif read := self._reads.get(path):
                read(client)
            else:
                self._models(client, request, path)
        elif request.method == "OPTIONS" and path == "*":
            client.respond(204, b"allow: GET, HEAD, POST, OPTIONS\r\n", b"")
        else:
            known = ", ".join([*OPERATIONS, *self._translated, _MODELS])
            message = f"There is no {request.method} {path[:200]} here. Known: {known}, and POST /v1/… of engines."
            client.refuse(Refusal(404, "unknown_url", message))
        return None

    def _other(self, path: str, method: str) -> Operation | None:
        """A path that only engines know."""
        own = path == _MODELS or path.startswith((_MODELS + "/", MESSAGES.path + "/"))
        return other_operation(path) if method == "POST" and not own else None

    def _not_called(self, client: ClientConnection, request: Request, path: str, allow: str) -> None:
        """A known path with another method: OPTIONS is answered, the rest is 405."""
        if request.method == "OPTIONS":
            headers = f"allow: {allow}\r\n".encode() + answers.preflight_headers(request)
            client.respond(204, headers, b"")
        else:
            message = f"{path[:200]} does not take {request.method}; use {allow}."
            client.refuse(Refusal(405, "method_not_allowed", message, allow=allow))

    # reads

    def _models(self, client: ClientConnection, request: Request, path: str) -> None:
        """Those that the caller may use, or one of them."""
        caller = self._gateway.keyring.find(request.headers, near=client.near)
        if isinstance(caller, Refusal):
            client.refuse(caller)
            return
        names, listed = self._gateway.visible(caller), self._gateway.catalog.listed
        name = path.removeprefix(_MODELS).removeprefix("/")
        anthropic = b"anthropic-version" in request.headers
        if path == _MODELS:
            models = [listed(each) for each in names]
            client.respond(200, answers.JSON, _page(models, anthropic=anthropic))
        elif name in names:
            client.respond(200, answers.JSON, msgspec.json.encode(_shown(listed(name), anthropic=anthropic)))
        else:
            client.refuse(model_not_found(name, names))

    def _healthz(self, client: ClientConnection) -> None:
        client.respond(200, _TEXT, b"ok\n")

    def _readyz(self, client: ClientConnection) -> None:
        if self._gateway.draining:
            client.refuse(Refusal(503, "shutting_down", "The gateway is shutting down.", retry_after=1))
        elif not self._gateway.catalog.ready:
            message = "No routing table has been read yet."
            client.refuse(Refusal(503, "not_ready", message, retry_after=1))
        else:
            client.respond(200, _TEXT, b"ready\n")


def _page(models: list[ModelRoute], *, anthropic: bool) -> bytes:
    data = [_shown(each, anthropic=anthropic) for each in models]
    return msgspec.json.encode(model_page(data) if anthropic else {"object": "list", "data": data})


def _shown(model: ModelRoute, *, anthropic: bool) -> dict[str, object]:
    if anthropic:
        return model_info(model.name, model.created)
    return {"id": model.name, "object": "model", "created": model.created, "owned_by": "headway"}

"""The paths that callers use, and what answers each: the models' operations run as an Exchange, the rest at
once."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from headway.gateway import answers
from headway.gateway.client import ClientConnection, Running
from headway.gateway.core import Gateway
from headway.gateway.exchange import Exchange
from headway.gateway.request import Request
from headway.gateway.scraping import Scraping
from headway.gateway.table import ModelRoute
from headway.wire.http import split_target
from headway.wire.openai import OPERATIONS, Operation, Refusal, model_not_found, other_operation

__all__ = ["Api"]

_TEXT = b"content-type: text/plain; charset=utf-8\r\n"
_MODELS = "/v1/models"
_METRICS = "/metrics"
_READS = "GET, HEAD, OPTIONS"
_CALLS = "POST, OPTIONS"


class Api:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._reads = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
        }

    def serve(self, client: ClientConnection, request: Request) -> Running | None:
        operation = OPERATIONS.get(request.target.decode("latin-1"))
        if operation is None or request.method != "POST":
            return self._serve_rest(client, request)
        exchange = Exchange(self._gateway, client, request, operation)
        exchange.begin()
        return exchange

    def _serve_rest(self, client: ClientConnection, request: Request) -> Running | None:
        """Everything but the plain hot path."""
        try:
            path, query = split_target(request.target)
        except ValueError as error:
            client.refuse(Refusal(400, "bad_request", f"The request target is not readable: {error}."))
            return None
        if operation := OPERATIONS.get(path) or self._other(path, request.method):
            if request.method == "POST":
                exchange = Exchange(self._gateway, client, request, operation)
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
            known = ", ".join([*OPERATIONS, _MODELS])
            message = f"There is no {request.method} {path[:200]} here. Known: {known}, and POST /v1/… of engines."
            client.refuse(Refusal(404, "unknown_url", message))
        return None

    def _other(self, path: str, method: str) -> Operation | None:
        """A path that only engines know."""
        own = path == _MODELS or path.startswith(_MODELS + "/")
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
        names, routes = self._gateway.visible(caller), self._gateway.catalog.routes
        name = path.removeprefix(_MODELS).removeprefix("/")
        if path == _MODELS:
            data = [_shown(routes[each].model) for each in names]
            client.respond(200, answers.JSON, msgspec.json.encode({"object": "list", "data": data}))
        elif name in names:
            client.respond(200, answers.JSON, msgspec.json.encode(_shown(routes[name].model)))
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


def _shown(model: ModelRoute) -> dict[str, object]:
    return {"id": model.name, "object": "model", "created": model.created, "owned_by": "headway"}

"""The worker's own UNIX socket: `GET /stats` and `GET /records?since=SEQ`, for the control loop of the same
user."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import parse_qs

import msgspec

from headway.errors import ResourceError
from headway.gateway import answers
from headway.gateway.client import ClientConnection, Running
from headway.gateway.core import Gateway
from headway.gateway.request import Request
from headway.wire.http import split_target
from headway.wire.openai import Refusal

__all__ = ["Admin", "bind_private"]


class Admin:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def serve(self, client: ClientConnection, request: Request) -> Running | None:
        try:
            path, query = split_target(request.target)
            since = int(parse_qs(query).get("since", ["0"])[0])
        except ValueError as error:
            client.refuse(Refusal(400, "bad_request", f"Not understood: {error}.", "since"))
            return None
        if path not in ("/stats", "/records"):
            client.refuse(Refusal(404, "unknown_url", "Known: /stats, /records?since=SEQ."))
        elif request.method != "GET":
            client.refuse(Refusal(405, "method_not_allowed", "Use GET.", allow="GET"))
        elif path == "/stats":
            client.respond(200, answers.JSON, msgspec.json.encode(self._gateway.stats()))
        else:
            client.respond(200, answers.JSON, msgspec.json.encode(self._gateway.journal.since(since)))
        return None


def bind_private(path: Path) -> socket.socket:
    """A UNIX socket that only this user may open; one that a dead process left is replaced."""
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        hint = "choose a shorter path in a folder that exists"
        raise ResourceError(f"{path}: cannot listen there ({error.strerror or error})", hint=hint) from error
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener

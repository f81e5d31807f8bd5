"""The control process's HTTP interface on its UNIX socket (whoever may open the socket may do all of this).

    GET  /state              Snapshot
    GET  /events             NDJSON of Snapshots: one at once, then on change, at least every second
    POST /apply              {"models": […], "tenants": […], "routes": […], "apps": […], "prune": bool, "origin": file,
                             "places": {name: "file:line"}} -> {"changes": […]}
    POST /down               {"name": name or null, "grace": seconds} -> {"removed": […]}; null ends the process too
    POST /open/{name}        wake an App; {"link": what its address ends in, "token": the password it asks for}
    GET  /explain/{what}     a Model with its Decisions, a Tenant with its keys, or a request's Story
    POST /keys/{verb}        ls, new, revoke, rotate: control.keys
    GET  /logs/{name}        text: ?lines=100&follow=0|1&replica=NAME

An error is `{"error": HeadwayError.to_wire()}` with status 400 (wrong), 404 (unknown), 502 (elsewhere) or 500.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from headway.control.desire import Desire
from headway.control.keys import answer
from headway.control.loop import ControlLoop
from headway.control.serving import Stop
from headway.control.snapshot import Snapshot
from headway.control.view import View, decision_view
from headway.control.waiting import first_of
from headway.errors import HeadwayError, UnreachableError, UsageError
from headway.spec.check import app_from_json, from_json, route_from_json, tenant_from_json

__all__ = ["ControlApi"]

log = logging.getLogger(__name__)

MOST_LINES = 100_000
EXPLAINED_DECISIONS = 200


class ControlApi:
    def __init__(self, control: ControlLoop, desire: Desire, view: View, interval: float, stop: Stop) -> None:
        self._control, self._desire, self._view = control, desire, view
        self._interval, self._stop = interval, stop

    def app(self) -> Starlette:
        routes = [
            Route("/state", _told(self._state)),
            Route("/events", _told(self._events)),
            Route("/apply", _told(self._apply), methods=["POST"]),
            Route("/down", _told(self._down), methods=["POST"]),
            Route("/open/{name}", _told(self._open), methods=["POST"]),
            Route("/explain/{what}", _told(self._explain)),
            Route("/logs/{name}", _told(self._logs)),
            Route("/keys/{verb}", _told(self._keys), methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def watch(self) -> AsyncIterator[Snapshot]:
        """Snapshots until the process stops: one at once, then one a pass, not faster than the view interval."""
        while not self._stop.is_set():
            yield self._view.snapshot()
            await first_of(self._control.passed_after(self._interval), self._stop.wait())

    async def _state(self, _: Request) -> Response:
        return _json(self._view.snapshot())

    async def _events(self, _: Request) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            async for snapshot in self.watch():
                yield msgspec.json.encode(snapshot) + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def _apply(self, request: Request) -> Response:
        asked = await request.json()
        models = [from_json(each) for each in asked["models"]]
        tenants = [tenant_from_json(each) for each in asked.get("tenants", ())]
        routes = [route_from_json(each) for each in asked.get("routes", ())]
        apps = [app_from_json(each) for each in asked.get("apps", ())]
        changes = await self._desire.apply(
            models, tenants, routes, apps, prune=asked["prune"], origin=asked["origin"], places=asked.get("places", {})
        )
        return _json({"changes": changes})

    async def _down(self, request: Request) -> Response:
        asked = await request.json()
        removed = await self._desire.remove(asked["name"], asked["grace"])
        if asked["name"] is None:
            self._stop.stop_everything()
        return _json({"removed": removed})

    async def _open(self, request: Request) -> Response:
        name, apps = request.path_params["name"], self._control.apps
        if (there := apps.all().get(name)) is None:
            known = ", ".join(apps.all()) or "none"
            raise UnknownError(f"no app {name!r} here", hint=f"apps: {known}")
        apps.wake(name)
        self._control.poke()
        await self._control.passed()
        token = apps.read(name, "token")
        return _json({"link": there.app.whole.preset.link.format(token=token), "token": token})

    async def _explain(self, request: Request) -> Response:
        what = request.path_params["what"]
        await self._control.passed()  # so that what just ended is told too
        if (wanted := self._control.models.all().get(what)) is not None:
            replicas = [each for each in self._control.site.replicas() if each.model == what]
            decisions = self._control.journal.decisions_of(what, EXPLAINED_DECISIONS)
            told = [decision_view(each) for each in decisions]
            return _json({"kind": "model", "model": self._view.model(wanted, replicas), "decisions": told})
        if (app := self._view.app(what)) is not None:
            decisions = self._control.journal.decisions_of(what, EXPLAINED_DECISIONS)
            return _json({"kind": "app", "app": app, "decisions": [decision_view(each) for each in decisions]})
        if what in self._control.wanted.tenants.all():
            keys = answer(self._control.wanted.keys, "ls", {"tenant": what}, time.time())
            return _json({"kind": "tenant", "tenant": self._view.tenant(what), **keys})
        if (route := self._view.route(what)) is not None:
            return _json({"kind": "route", "route": route})
        if (story := await self._control.gateway.story(what)) is not None:
            return _json({"kind": "request", "story": story})
        raise UnknownError(
            f"no model, route, app, tenant or request {what!r} here", hint="headway ls names all but the requests"
        )

    async def _keys(self, request: Request) -> Response:
        told = answer(self._control.wanted.keys, request.path_params["verb"], await request.json(), time.time())
        if request.path_params["verb"] != "ls":
            self._control.poke()
            await self._control.passed()  # the gateway's table has it when this answers
        return _json(told)

    async def _logs(self, request: Request) -> Response:
        name, query = request.path_params["name"], request.query_params
        replicas = [each.name for each in self._control.site.replicas() if each.model == name]
        chosen = [each for each in replicas if query.get("replica") in (None, "", each)]
        if not chosen:
            raise UnknownError(f"no replica of {name!r} here", hint="headway ls names the models and their replicas")
        lines = min(int(query.get("lines", "100")), MOST_LINES)
        follow = query.get("follow", "0") == "1"
        return StreamingResponse(self._lines(chosen, lines, follow), media_type="text/plain; charset=utf-8")

    async def _lines(self, replicas: list[str], lines: int, follow: bool) -> AsyncIterator[str]:
        """The logs of several Replicas, line by line as they come; each line says whose it is."""
        merged: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1000)

        async def read(replica: str) -> None:
            async for line in self._control.site.logs(replica, follow=follow, lines=lines):
                await merged.put(f"{replica} | {line.rstrip()}\n")
            await merged.put(None)

        readers = [asyncio.create_task(read(each)) for each in replicas]
        try:
            ended = 0
            while ended < len(readers):
                line = await merged.get()
                ended += line is None
                if line is not None:
                    yield line
        finally:
            for each in readers:
                each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*readers, return_exceptions=True)


class UnknownError(UsageError):
    """Asked for something that is not here."""


Handler = Callable[[Request], Awaitable[Response]]


def _told(handler: Handler) -> Handler:
    """A fault becomes one JSON error that the command shows as one line."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except HeadwayError as error:
            return _json({"error": error.to_wire()}, status=_status(error))
        except (KeyError, ValueError, TypeError) as error:
            wrong = UsageError(
                f"{request.url.path}: not understood: {error}", hint="is this the same version of headway?"
            )
            return _json({"error": wrong.to_wire()}, status=400)
        except Exception as error:
            log.exception("%s failed", request.url.path)
            fault = HeadwayError(f"a fault of Headway's own: {error!r}", hint="see control.log in the state's logs")
            return _json({"error": fault.to_wire()}, status=500)

    return handle


def _status(error: HeadwayError) -> int:
    if isinstance(error, UnknownError):
        return 404
    if isinstance(error, UsageError):
        return 400
    return 502 if isinstance(error, UnreachableError) else 500


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")

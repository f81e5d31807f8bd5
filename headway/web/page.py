"""The page's routes: `/` the page, `/static/NAME` its files, `/state` one Snapshot, `/events` Snapshots as they come.

`snapshot` says what is true now and is cheap. `watch` yields the newest Snapshot after each change, a few times a
second at most, and at least once a second while requests run (the charts read it); it ends when the control process
does. Serve these routes behind `headway.web.guard.guard`: they answer whoever reaches them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from headway.control.snapshot import Snapshot
from headway.web.assets import read_all
from headway.web.events import Events
from headway.web.public import public_json

__all__ = ["routes"]


def routes(snapshot: Callable[[], Snapshot], watch: Callable[[], AsyncIterator[Snapshot]]) -> list[Route]:
    assets = read_all()

    async def page(request: Request) -> Response:
        return assets["index.html"].answer(request)

    async def static(request: Request) -> Response:
        asset = assets.get(request.path_params["name"])
        return asset.answer(request) if asset else PlainTextResponse("no such file\n", 404)

    async def state(request: Request) -> Response:
        body = public_json(snapshot())
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    return [
        Route("/", page),
        Route("/static/{name}", static),
        Route("/state", state),
        Route("/events", Events(snapshot, watch), methods=["GET"]),
    ]

"""`headway open NAME`: an App's address, awake and ready."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Any

import typer

from headway.cli.client import ControlClient
from headway.cli.names import complete_app
from headway.cli.on import ON, place
from headway.errors import EngineError, HeadwayError, ResourceError, UnreachableError

__all__ = ["register"]

HOPELESS = ("failed",)
ROOM = ("NotEnoughMemory", "NoSuchGpu", "NoFreeGpu")


def register(app: typer.Typer) -> None:
    app.command(name="open")(open_)


def open_(
    name: Annotated[str, typer.Argument(help="An app.", autocompletion=complete_app)],
    browser: Annotated[bool, typer.Option("--browser", "-b", help="Open it in the browser, too.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On a cluster: the local port; 0 = a free one.")] = 0,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait until it answers.")] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="The address, and the password it asks for.")] = False,
    on: Annotated[str | None, ON] = None,
) -> None:
    """Start an app if it sleeps, and print the address where it answers.

    On this machine the command returns at once. On a cluster it forwards a local port to the app and stays until
    Ctrl-C; as long as it does, the app counts as used.
    """
    where = place(on)
    if not where.is_local:
        from headway.cli.cluster_open import open_there  # noqa: PLC0415

        open_there(where, name, lambda address, link, token: _show(name, address, link, token, browser, as_json),
                   port=port, timeout=timeout)  # fmt: skip
        return
    client = ControlClient()
    told = client.open(name)
    ready = _ready(client, name, timeout)
    _show(name, ready["address"], told["link"], told["token"], browser, as_json)


def _ready(client: ControlClient, name: str, timeout: float) -> dict[str, Any]:
    """Once it answers. Raises the HeadwayError of what keeps it from that."""
    ends, said = time.monotonic() + timeout, ""
    for snapshot in client.events():
        app: dict[str, Any] | None = next((each for each in snapshot["apps"] if each["name"] == name), None)
        if app is None:
            raise EngineError(f"{name} was taken down meanwhile", hint="headway ls")
        if app["state"] == "ready":
            return app
        if app["state"] in HOPELESS:
            kind: type[HeadwayError] = ResourceError if app["reason"] in ROOM else EngineError
            raise kind(f"{name}: {app['message']}", hint=app["next_action"] or f"headway logs {name}")
        if app["message"] != said:
            said = app["message"]
            print(f"{name}  {app['state']}: {said}", file=sys.stderr, flush=True)
        if time.monotonic() > ends:
            raise EngineError(f"{name}: not ready within {timeout:g} s: {said}", hint=f"headway logs {name}")
    raise UnreachableError("the control process ended meanwhile", hint=f"see {client.state.logs / 'control.log'}")


def _show(name: str, address: str, link: str, token: str, browser: bool, as_json: bool) -> None:
    """`link`: what the address ends in, with the password in it where the program takes it so."""
    url = address + link
    if as_json:
        print(json.dumps({"name": name, "address": address, "url": url, "password": token}), flush=True)
    else:
        print(url, flush=True)
        if token and not link:
            print(f"password: {token}", flush=True)
    if browser:
        import webbrowser  # noqa: PLC0415

        webbrowser.open(url)

"""`headway status NAME`: what it is, why, and what to do next."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from headway.cli.app import tell_app
from headway.cli.names import app_named, complete_any, model_named, route_named, tenant_named
from headway.cli.on import ON, place, state
from headway.cli.route import tell_route
from headway.cli.tenant import tell

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(status)


def status(
    name: Annotated[str, typer.Argument(help="A model, a route, an app or a tenant.", autocompletion=complete_any)],
    as_json: Annotated[bool, typer.Option("--json", help="The whole of it; `address` is the base URL.")] = False,
    on: Annotated[str | None, ON] = None,
) -> None:
    """Tell a model's state, why, and what to do; where a route leads; how an app is; or what a tenant may and used."""
    snapshot = state(place(on))
    if tenant := tenant_named(snapshot, name):
        tell(tenant, as_json=as_json)
        return
    if route := route_named(snapshot, name):
        tell_route(route, as_json=as_json)
        return
    if app := app_named(snapshot, name):
        tell_app(app, snapshot["at"], as_json=as_json)
        return
    model = model_named(snapshot, name)
    if as_json:
        print(json.dumps(model, indent=2))
        return
    from headway.cli.progress import told  # noqa: PLC0415
    from headway.cli.tables import replicas_table, show, sources  # noqa: PLC0415

    print(f"{name}  {model['state']}: {told(model)}")
    if model["next_action"]:
        print(f"next: {model['next_action']}")
    for line in sources(model):
        print(line)
    print(model["address"])
    show(replicas_table(model, snapshot["at"]))

"""`headway ls`: the models, routes, apps and tenants, one line each."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from headway.cli.on import ON, place, state

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(ls)


def ls(
    as_json: Annotated[bool, typer.Option("--json", help="An array of models, for programs.")] = False,
    tenants: Annotated[
        bool, typer.Option("--tenants", help="The tenants alone; with --json an array of them.")
    ] = False,
    on: Annotated[str | None, ON] = None,
) -> None:
    """List the models, the routes, the apps and the tenants.

    Of models state, replicas, why; of routes where they lead; of apps state and address; of tenants what they may
    and what they used this month.
    """
    where = place(on)
    snapshot = state(where)
    there = snapshot.get("tenants", [])
    if as_json:
        print(json.dumps(there if tenants else snapshot["models"], indent=2))
        return
    if tenants and not there:
        print("no tenants: whoever reaches the gateway may use it", file=sys.stderr)
        return
    routes = [] if tenants else snapshot.get("routes", [])
    apps = [] if tenants else snapshot.get("apps", [])
    if not tenants and not snapshot["models"] and not apps:
        print(f"no models; add one: headway up smollm2-135m-instruct{where.flag}", file=sys.stderr)
    from headway.cli.tables import apps_table, models_table, routes_table, show, tenants_table  # noqa: PLC0415

    if snapshot["models"] and not tenants:
        show(models_table(snapshot))
    if routes:
        print()
        show(routes_table(routes))
    if apps:
        if snapshot["models"]:
            print()
        show(apps_table(apps, snapshot["at"]))
    if there:
        if (snapshot["models"] or apps) and not tenants:
            print()
        show(tenants_table(there))
    if not snapshot["models"]:
        return
    if sys.stdout.isatty():
        page = snapshot["control"]["page"]
        print(f"\n{snapshot['gateway']['address']}" + (f"  (page {page})" if page else ""))

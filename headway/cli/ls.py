"""`headway ls`: the models, one line each."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from headway.cli.client import ControlClient

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(ls)


def ls(as_json: Annotated[bool, typer.Option("--json", help="An array of models, for programs.")] = False) -> None:
    """List the models: state, replicas, why."""
    snapshot = ControlClient().get("/state")
    if as_json:
        print(json.dumps(snapshot["models"], indent=2))
        return
    if not snapshot["models"]:
        print("no models; add one: headway up smollm2-135m-instruct", file=sys.stderr)
        return
    from headway.cli.tables import models_table, show  # noqa: PLC0415

    show(models_table(snapshot))
    if sys.stdout.isatty():
        print(f"\n{snapshot['gateway']['address']}  (page {snapshot['control']['page']})")

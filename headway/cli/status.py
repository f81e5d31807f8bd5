"""`headway status NAME`: what it is, why, and what to do next."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from headway.cli.client import ControlClient
from headway.cli.names import complete_name, model_named

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(status)


def status(
    name: Annotated[str, typer.Argument(help="A model.", autocompletion=complete_name)],
    as_json: Annotated[bool, typer.Option("--json", help="The whole of it; `address` is the base URL.")] = False,
) -> None:
    """Tell a model's state, why, and what to do."""
    snapshot = ControlClient().get("/state")
    model = model_named(snapshot, name)
    if as_json:
        print(json.dumps(model, indent=2))
        return
    from headway.cli.progress import told  # noqa: PLC0415
    from headway.cli.tables import replicas_table, show  # noqa: PLC0415

    print(f"{name}  {model['state']}: {told(model)}")
    if model["next_action"]:
        print(f"next: {model['next_action']}")
    print(f"{model['source']}  ({model['engine']}, {model['task']}, revision {model['revision']})")
    print(model["address"])
    show(replicas_table(model, snapshot["at"]))

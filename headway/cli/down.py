"""`headway down`: want it no more."""

from __future__ import annotations

from typing import Annotated

import typer

from headway.cli.client import ControlClient
from headway.cli.names import complete_name

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(down)


def down(
    name: Annotated[
        str | None, typer.Argument(help="A model; without it, everything.", autocompletion=complete_name)
    ] = None,
    grace: Annotated[float, typer.Option(help="Seconds beyond the drain deadline before giving up.")] = 10.0,
) -> None:
    """Stop a model, or everything: running requests end first (30 s at most)."""
    removed = ControlClient().down(name, grace)
    for each in removed:
        print(f"{each}  removed")
    if name is None:
        print("everything is stopped")

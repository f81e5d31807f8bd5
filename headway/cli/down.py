"""`headway down`: want it no more."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import typer

from headway.cli.client import ControlClient
from headway.cli.launch import Addresses, ensure_control, was_killed
from headway.cli.names import complete_any
from headway.cli.on import ON, on_cluster, place
from headway.errors import UsageError

__all__ = ["register"]

ANYWHERE = Addresses("127.0.0.1", 0, 0)
"""Ports that the kernel picks: nobody calls a control process that is started to stop what there is."""


def register(app: typer.Typer) -> None:
    app.command()(down)


def down(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A model, a route, an app or a tenant; without it, every model and app.", autocompletion=complete_any
        ),
    ] = None,
    grace: Annotated[float, typer.Option(help="Seconds beyond the drain deadline before giving up.")] = 10.0,
    on: Annotated[str | None, ON] = None,
) -> None:
    """Stop a model or an app, remove a route or a tenant, or stop everything.

    Running requests end first, within 30 s. The keys of a tenant that is removed are revoked for good. Without a name
    every model and app ends (on a cluster: of the Site's namespace); tenants and keys stay.
    """
    where = place(on)
    if not where.is_local:
        if name is None and on is None:  # a Site in use must not cost anybody a cluster
            message = f"all Models of {where.name} would end"
            raise UsageError(message, hint=f"say it: headway down --on {where.name}; or --on local, or one by NAME")
        from headway.cli.cluster_down import remove  # noqa: PLC0415

        with _waiting():
            gone = on_cluster(where, lambda cluster: remove(cluster, name, grace))
        for each in gone:
            print(f"{each}  removed")
        return
    client = ControlClient()
    if name is None and was_killed(client):
        # Gateway and engines outlived it. A fresh one adopts them, and so can end them.
        ensure_control(client, ANYWHERE)
    try:
        with _waiting():
            removed = client.down(name, grace)
    except KeyboardInterrupt:
        print("it goes on stopping by itself; see headway ls", file=sys.stderr)
        raise
    for each in removed:
        print(f"{each}  removed")
    if name is None:
        print("everything is stopped")


def _waiting() -> AbstractContextManager[object]:
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console  # noqa: PLC0415

    return Console(stderr=True).status("running requests end first")

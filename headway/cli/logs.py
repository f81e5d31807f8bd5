"""`headway logs NAME`: what the engines of a model wrote."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from headway.cli.client import ControlClient
from headway.cli.names import complete_name
from headway.cli.on import ON, Place, place

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(logs)


def logs(
    name: Annotated[str, typer.Argument(help="A model.", autocompletion=complete_name)],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come; Ctrl-C ends.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines from the end of each log.")] = 100,
    replica: Annotated[str, typer.Option(help="Of this replica only.")] = "",
    on: Annotated[str | None, ON] = None,
) -> None:
    """Print the engines' logs of a model, or an app's."""
    where = place(on)
    if not where.is_local:
        _of_cluster(where, name, replica, lines, follow)
        return
    query = urlencode({"lines": lines, "follow": int(follow), "replica": replica})
    for line in ControlClient().lines(f"/logs/{quote(name)}?{query}", None if follow else 60.0):
        print(line, end="", flush=follow)


def _of_cluster(where: Place, name: str, replica: str, lines: int, follow: bool) -> None:
    from headway.cli.cluster_logs import tell  # noqa: PLC0415
    from headway.cli.on import on_cluster  # noqa: PLC0415

    on_cluster(where, lambda cluster: tell(cluster, name, replica=replica, lines=lines, follow=follow))

"""`headway explain NAME|REQUEST-ID`: the story of a model or of one request, in sentences."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

import typer

from headway.cli.app import tell_app
from headway.cli.client import ControlClient
from headway.cli.gateway_alone import explain as alone
from headway.cli.names import complete_any
from headway.cli.on import ON, Place, on_cluster, place
from headway.cli.route import tell_route
from headway.cli.tell_request import tell_request
from headway.cli.tenant import tell

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME|REQUEST-ID",
            help="A model, a route, an app, a tenant, or x-request-id.",
            autocompletion=complete_any,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    gateway: Annotated[
        str, typer.Option(help="Ask a gateway that runs alone: its port, or the path of its --socket.")
    ] = "",
    on: Annotated[str | None, ON] = None,
) -> None:
    """Tell why it is so: a model, a route, an app, a tenant, or a request.

    Of a model: what is wanted, what is there, what was derived and why, the last decisions with their numbers. Of a
    request: what its tenant's limits said, where it waited, where it was sent and why there, its first byte, its end,
    its tokens and what they cost.
    """
    told = alone(gateway, what) if gateway else _asked(place(on), what)
    if as_json:
        print(json.dumps(told, indent=2))
        return
    if told["kind"] == "request":
        for line in tell_request(told["story"]):
            print(line)
        return
    if told["kind"] == "route":
        tell_route(told["route"])
        return
    if told["kind"] == "app":
        tell_app(told["app"], time.time(), told["decisions"])
        return
    if told["kind"] == "tenant":
        tell(told["tenant"])
        if told["keys"]:
            from headway.cli.tables import keys_table  # noqa: PLC0415
            from headway.cli.tables import show as show_table  # noqa: PLC0415

            show_table(keys_table(told["keys"], time.time()))
        return
    from headway.cli.tables import decisions_table, replicas_table, show  # noqa: PLC0415

    model = told["model"]
    for line in _model(model):
        print(line)
    show(replicas_table(model, time.time()))
    if told["decisions"]:
        print("\nWhat was decided, newest first:")
        show(decisions_table(told["decisions"], time.time()))


def _asked(where: Place, what: str) -> Any:
    if where.is_local:
        return ControlClient().get(f"/explain/{quote(what, safe='')}")
    from headway.cli.cluster_explain import explained  # noqa: PLC0415

    return on_cluster(where, lambda cluster: explained(cluster, where, what))


def _model(model: dict[str, Any]) -> Iterator[str]:
    yield f"{model['name']} is {model['state']}: {model['message']}."
    if model["next_action"]:
        yield f"Next: {model['next_action']}"
    if not model.get("variants"):
        revision = f"revision {model['revision']}, {model['source']} by {model['engine']}"
        yield f"Wanted: {model['replicas_wanted']} of {revision}."
    derived = dict(model["derived"])
    for each in model.get("variants", ()):
        made = f"revision {each['revision']}, {each['source']} by {each['engine']}"
        yield f"Wanted as {each['name']}: {each['replicas_wanted']} of {made}; {each['replicas_ready']} answer."
        derived |= {f"{each['name']}: {field}": why for field, why in each["derived"].items()}
    for replica in model["replicas"]:
        derived |= replica["derived"]
    if derived:
        yield "What nobody wrote was derived:"
        yield from (f"  {name}: {why}" for name, why in sorted(derived.items()))

"""`headway key`: give a tenant a key, see its keys, revoke one, replace one.

The control process does it when it runs, and its gateway then knows at once; else it is written into the store, and
counts when the next `headway up` has started one. With `--on` a cluster it is written into the Secret that the gateways
there watch.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headway.cli.client import ControlClient
from headway.cli.launch import was_killed
from headway.cli.names import complete_tenant
from headway.cli.on import ON, on_cluster, place
from headway.errors import UsageError

if TYPE_CHECKING:
    from headway.wire.kube.cluster import Cluster

__all__ = ["register"]

key = typer.Typer(
    name="key",
    help="The keys of tenants: new, ls, revoke, rotate.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
On = Annotated[str | None, ON]


def register(app: typer.Typer) -> None:
    app.add_typer(key)


@key.command()
def new(
    tenant: Annotated[str, typer.Argument(help="Who gets it.", autocompletion=complete_tenant)],
    models: Annotated[
        str, typer.Option(help="Only these, of those that the tenant may use: chat,embed-*; left out = all of them.")
    ] = "",
    expires: Annotated[str, typer.Option(help="How long it is valid: 90d, 12h; left out = until revoked.")] = "",
    name: Annotated[str, typer.Option(help="What it is for, for the record: ci, anas-laptop.")] = "",
    as_json: AsJson = False,
    on: On = None,
) -> None:
    """Make a key, and show it this once."""
    scope = _patterns(models) if models else None
    asked = {"tenant": tenant, "name": name, "models": scope, "lasts": _seconds(expires, "--expires")}
    _show_new(_ask("new", asked, on), as_json)


@key.command()
def ls(
    tenant: Annotated[str | None, typer.Argument(help="Only this one's.", autocompletion=complete_tenant)] = None,
    as_json: AsJson = False,
    on: On = None,
) -> None:
    """List the keys: whose they are, what they may, how long. Never the keys themselves."""
    keys = _ask("ls", {"tenant": tenant}, on)["keys"]
    if as_json:
        print(json.dumps(keys, indent=2))
        return
    if not keys:
        print("no keys; make one: headway key new TENANT", file=sys.stderr)
        return
    from headway.cli.tables import keys_table, show  # noqa: PLC0415

    show(keys_table(keys, time.time()))


@key.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Of the key.")],
    as_json: AsJson = False,
    on: On = None,
) -> None:
    """End a key, at once and for good."""
    told = _ask("revoke", {"id": key_id}, on)["key"]
    print(json.dumps(told, indent=2) if as_json else f"{told['id']}  revoked  ({told['tenant']})")


@key.command()
def rotate(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Of the key.")],
    grace: Annotated[str, typer.Option(help="How long the old one stays valid: 24h, 0s.")] = "24h",
    as_json: AsJson = False,
    on: On = None,
) -> None:
    """Replace a key by a new one of the same scope and span, and show that this once."""
    _show_new(_ask("rotate", {"id": key_id, "grace": _seconds(grace, "--grace")}, on), as_json)


def _show_new(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, indent=2))
        return
    print(told["secret"])
    made = told["key"]
    print(f"key {made['id']} of tenant {made['tenant']}; this is the only time that it is shown", file=sys.stderr)


def _ask(verb: str, asked: dict[str, Any], on: str | None) -> dict[str, Any]:
    where = place(on)
    if not where.is_local:
        return on_cluster(where, lambda cluster: _ask_there(cluster, verb, asked))
    client = ControlClient()
    if client.pid() is not None:
        return client.keys(verb, asked)
    from headway.control.keys import answer  # noqa: PLC0415
    from headway.store.database import Database  # noqa: PLC0415
    from headway.store.keys import KeyStore  # noqa: PLC0415

    client.state.create()
    database = Database(client.state.database)
    try:
        told = answer(KeyStore(database), verb, asked, time.time())
    finally:
        database.close()
    if verb != "ls":
        print(_until_when(client), file=sys.stderr)
    return told


async def _ask_there(cluster: Cluster, verb: str, asked: dict[str, Any]) -> dict[str, Any]:
    from headway.control.keys import answer_there  # noqa: PLC0415
    from headway.sites.kubernetes.keys import ClusterKeys  # noqa: PLC0415

    return await answer_there(ClusterKeys(cluster), verb, asked, time.time())


def _until_when(client: ControlClient) -> str:
    if was_killed(client):
        return "the control process was killed: the gateway goes on with the keys it knows until headway up"
    return "no Headway is running here: it counts from the next headway up on"


def _seconds(text: str, option: str) -> float | None:
    from headway.spec.fault import Fault  # noqa: PLC0415
    from headway.spec.units import parse_duration  # noqa: PLC0415

    if not text:
        return None
    try:
        return parse_duration(text)
    except Fault as fault:
        raise UsageError(f"{option}: {fault.message}", hint=fault.hint) from None


def _patterns(text: str) -> list[str]:
    from headway.spec.fault import Fault, Faults  # noqa: PLC0415
    from headway.spec.tenant import read_patterns  # noqa: PLC0415

    try:
        return list(read_patterns([each.strip() for each in text.split(",")]))
    except (Fault, Faults) as error:
        first = error.faults[0] if isinstance(error, Faults) else error
        raise UsageError(f"--models: {first.message}", hint=first.hint) from None

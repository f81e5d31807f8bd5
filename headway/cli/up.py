"""`headway up`: want what a file says, and follow it until it answers.

What this call started or added goes again when it fails or is interrupted; what was there before stays as it is.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from headway.cli.client import ControlClient
from headway.cli.launch import Addresses, ensure_control
from headway.cli.on import ON, place
from headway.cli.stop import stop_everything, take_back
from headway.cli.target import read
from headway.cli.unserved import to_serve
from headway.errors import Cancelled, HeadwayError, UsageError

__all__ = ["register"]

ADDRESS = ("host", "port", "page_port")
LOCAL_ONLY = (*ADDRESS, "gateway_workers", "sample", "otlp", "trace_sample", "settings")
KINDS = ("Model", "Tenant", "Route", "App")


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            help="A file (- for standard input), or a model: smollm2-135m-instruct, hf://org/name, ./m.gguf; "
            "without it, ./headway.yaml."
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready, and leave it running.")
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take down what the file does not name, of the kinds that it names.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The gateway's port.")] = 8484,
    page_port: Annotated[int, typer.Option(min=1, max=65535, help="The page's port.")] = 8485,
    gateway_workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes of the gateway; more than one for thousands of requests/s.")
    ] = 1,
    sample: Annotated[
        str, typer.Option(help="Of the requests that are neither few, slow nor failed, how many the gateway logs.")
    ] = "1%",
    otlp: Annotated[
        str, typer.Option(help="Send traces to this OTLP/HTTP collector. [OTEL_EXPORTER_OTLP_ENDPOINT]")
    ] = "",
    trace_sample: Annotated[
        str, typer.Option(help="Of the requests whose callers do not say, how many are traced.")
    ] = "10%",
    settings: Annotated[
        Path | None,
        typer.Option(help="A YAML file of the gateway's limits and deadlines, followed as it changes.", metavar="FILE"),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait until all is ready; 0 = as long as it takes.")
    ] = 0,
    on: Annotated[str | None, ON] = None,
    force: Annotated[
        bool, typer.Option("--force", help="On a cluster: also change fields that somebody else wrote.")
    ] = False,
) -> None:
    """Serve a file's models, routes, apps and tenants, or one model by name.

    Adds and changes what the file names; only what differs moves. On this machine, without -d, it stays, and Ctrl-C
    stops what it started. On a cluster it returns when all answers, and what it applied stays, ready or not.
    """
    where = place(on)
    objects, origin, places = read(target)
    objects = to_serve(objects, places)
    if not where.is_local:
        from headway.cli.cluster_up import up_there  # noqa: PLC0415

        if others := [f"--{name.replace('_', '-')}" for name in LOCAL_ONLY if _given(context, name)]:
            raise UsageError(f"{', '.join(others)} is for this machine", hint="headway install has a cluster's options")
        up_there(where, objects, places, prune=prune, force=force, detach=detach, timeout=timeout)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wish: dict[str, Any] = {f"{kind.lower()}s": [] for kind in KINDS}
    for each in objects:
        wish[f"{each.kind.lower()}s"].append(each.model_dump(mode="json"))
    wish |= {"prune": prune, "origin": origin, "places": places}
    client = ControlClient()
    options = ("--sample", sample, "--otlp", otlp, "--trace-sample", trace_sample, *_settings(settings))
    started = ensure_control(client, Addresses(host, port, page_port, gateway_workers, options))
    if not started:
        _say_where_it_listens(
            client, {name: context.params[name] for name in ADDRESS if _given(context, name)}, settings
        )
    _serve(client, started, wish, timeout)
    if not detach:
        _stay(client, started)


def _serve(client: ControlClient, started: bool, wish: dict[str, Any], timeout: float) -> None:
    """Until all of it is ready; else it is taken back."""
    changes: list[dict[str, str]] = []
    try:  # from here on: an import takes long enough to be interrupted in
        from headway.cli.follow import follow  # noqa: PLC0415
        from headway.cli.progress import say_what_next, view  # noqa: PLC0415

        with view() as shown:
            shown.note(f"reading {wish['origin']}: which files exactly ...")
            changes += client.apply(**wish)
            snapshot = follow(client, changes, timeout, shown)
    except Cancelled:
        raise  # another command had its way with these Models; they are not ours to take back
    except HeadwayError:
        take_back(client, started, changes)
        raise
    except KeyboardInterrupt:
        print("stopping (Ctrl-C again to force) ...", file=sys.stderr)
        take_back(client, started, changes)
        raise
    say_what_next(snapshot, changes)


def _stay(client: ControlClient, started: bool) -> None:
    """In the foreground until Ctrl-C; then stop what this call started."""
    from headway.cli.progress import stay  # noqa: PLC0415

    try:
        stay(client)
    except KeyboardInterrupt:
        if not started:
            print("left running: another headway up started it. Stop it with: headway down", file=sys.stderr)
            return
        print("stopping (Ctrl-C again to force) ...", file=sys.stderr)
        stop_everything(client)
        print("everything is stopped", file=sys.stderr)


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _settings(path: Path | None) -> tuple[str, ...]:
    """As the gateway is told of them. Raises SpecError while somebody reads it."""
    if path is None:
        return ()
    from headway.gateway.tuning import read_settings  # noqa: PLC0415

    read_settings(path)
    return ("--settings", str(path.absolute()))


def _say_where_it_listens(client: ControlClient, asked: dict[str, object], settings: Path | None) -> None:
    """The one that runs keeps its addresses; whoever asked for others must know."""
    snapshot = client.get("/state")
    address, page = snapshot["gateway"]["address"], snapshot["control"]["page"]
    runs = {"host": urlsplit(address).hostname, "port": urlsplit(address).port, "page_port": urlsplit(page).port}
    others = [f"--{name.replace('_', '-')}" for name, value in asked.items() if value != runs[name]]
    others += ["--settings"] if settings is not None else []
    if others:
        ignored = f"{', '.join(others)} would count after headway down"
        print(f"joined the Headway that runs at {address}, page {page}; {ignored}", file=sys.stderr)

"""`headway up`: want what a file says, and follow it until it answers."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headway.cli.client import ControlClient
from headway.cli.launch import Addresses, ensure_control
from headway.errors import HeadwayError, SpecError, UnreachableError, UsageError

if TYPE_CHECKING:
    from headway.spec.model import Model

__all__ = ["register"]

DEFAULT_FILE = Path("headway.yaml")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
STOP_GRACE = 5.0


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A file (- for standard input), or a model: smollm2-135m-instruct, hf://org/name, ./m.gguf."
        ),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready, and leave it running.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Take down the models that the file does not name.")] = False,
    port: Annotated[int, typer.Option(help="The gateway's port.")] = 8484,
    page_port: Annotated[int, typer.Option(help="The page's port.")] = 8485,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    timeout: Annotated[float, typer.Option(help="Seconds to wait until all is ready; 0 = as long as it takes.")] = 0,
) -> None:
    """Serve what a file says (or one model by its name): add and change, and only what differs moves."""
    models, origin = read(target)
    if host not in LOOPBACK:
        print(f"warning: {host} is not this machine alone, and this version has no keys", file=sys.stderr)
    client = ControlClient()
    started = ensure_control(client, Addresses(host, port, page_port))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    added: list[str] = []
    try:
        changes = client.apply([each.model_dump(mode="json") for each in models], prune=prune, origin=origin)
        added = [each["name"] for each in changes if each["change"] == "added"]
        _follow(client, changes, timeout)
    except HeadwayError:
        _undo(client, started, added)
        raise
    except KeyboardInterrupt:
        _undo(client, started, added)
        print("stopped; nothing of this call is left running", file=sys.stderr)
        raise typer.Exit(130) from None
    if not detach:
        _stay(client, started)


def read(target: str | None) -> tuple[list[Model], str]:
    """The Models and where they came from. Raises SpecError or UsageError."""
    from headway.spec.load import load  # noqa: PLC0415

    if target is None:
        if not DEFAULT_FILE.exists():
            raise UsageError("no file given, and no headway.yaml here", hint="try: headway up smollm2-135m-instruct")
        target = str(DEFAULT_FILE)
    if target == "-":
        return load(sys.stdin.read(), "standard input", str(Path.cwd())), "-"
    path = Path(target)
    if path.suffix in (".yaml", ".yml", ".json") or (path.is_file() and path.suffix != ".gguf"):
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise SpecError(f"cannot be read: {why}", hint="check the path", file=target) from error
        return load(text, target, str(path.absolute().parent)), str(path.absolute())
    return [_named(target)], target


def _named(target: str) -> Model:
    from headway.engines.builtin import CATALOGUE  # noqa: PLC0415
    from headway.spec.shorthand import from_name  # noqa: PLC0415

    if target.endswith(".gguf") and "://" not in target:
        target = f"file://{Path(target).absolute()}"
    return from_name(target, known=list(CATALOGUE))


def _follow(client: ControlClient, changes: list[dict[str, str]], timeout: float) -> None:
    """Show how it goes until every named Model is ready. Raises EngineError or ResourceError for one that fails."""
    from headway.cli.progress import follow  # noqa: PLC0415

    follow(client, changes, timeout)


def _undo(client: ControlClient, started: bool, added: list[str]) -> None:
    """Nothing half-done behind: what this call started or added goes; what was there before stays."""
    try:
        if started:
            client.down(None, STOP_GRACE)
        else:
            for name in added:
                client.down(name, STOP_GRACE)
    except UnreachableError:
        return  # it is gone already


def _stay(client: ControlClient, started: bool) -> None:
    """In the foreground until Ctrl-C; then stop what this call started."""
    from headway.cli.progress import stay  # noqa: PLC0415

    try:
        stay(client)
    except KeyboardInterrupt:
        if not started:
            print("left it running: another headway up started it. Stop it with: headway down", file=sys.stderr)
            return
        print("stopping (Ctrl-C again to force) ...", file=sys.stderr)
        client.down(None, STOP_GRACE)

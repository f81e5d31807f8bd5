"""The `headway` command: assembles the verbs, and turns every fault into one line and an exit status."""

from __future__ import annotations

import os
import sys
import traceback
from io import TextIOWrapper

import typer

import headway
from headway.cli import (
    bench,
    catalog,
    chat,
    doctor,
    down,
    explain,
    export,
    import_,
    install,
    key,
    logs,
    ls,
    open_,
    parts,
    perf,
    plan,
    schema,
    secret,
    simulate,
    site,
    status,
    up,
    weights,
)
from headway.errors import HeadwayError

__all__ = ["app", "main"]

DEBUG = "HEADWAY_DEBUG"

app = typer.Typer(
    name="headway",
    help="Serve models on this machine or a cluster from one file, behind one OpenAI-compatible address.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    up,
    down,
    export,
    ls,
    status,
    logs,
    chat,
    open_,
    plan,
    bench,
    simulate,
    explain,
    import_,
    key,
    site,
    install,
    secret,
    catalog,
    perf,
    doctor,
    schema,
    weights,
    parts,
):
    verb.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headway {headway.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print it and exit."),
) -> None:
    pass


def main() -> None:
    """typer ends quietly by itself on Ctrl-C (130) and when whoever read our output has enough (1)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a model's emoji must not break a Latin-1 terminal's session
    try:
        try:
            app(prog_name="headway")
        finally:
            sys.stdout.flush()
    except HeadwayError as error:
        _debug()
        for each in (error, *getattr(error, "others", ())):
            print(f"error: {each}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The interpreter flushes once more at its end, and must not complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        _debug()
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        print(f"error: a fault of Headway's own: {told}; {DEBUG}=1 shows where, please report it", file=sys.stderr)
        sys.exit(1)


def _debug() -> None:
    if os.environ.get(DEBUG):
        traceback.print_exc()

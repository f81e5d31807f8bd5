"""`headway doctor`: what this machine has, what is missing, and how to get it; how fast it is (`--measure`)."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from headway.errors import UsageError

__all__ = ["register"]

COLOURS = {"ok": "32", "note": "33", "missing": "31"}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the GPU, or the processor where there is none, for a minute.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="With --measure: keep it as this machine's calibration, unasked.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="With --measure: cores, or a device of PyTorch: cuda:1, cpu; left out = the first GPU.")
    ] = "",
) -> None:
    """Tell what this machine has and lacks.

    For each thing that is missing, the command that gets it. Exit status 1 when something needed is missing. With
    --measure, how fast it is beside what the catalogue says of it and what the model of performance predicts.
    """
    if measure:
        from headway.cli.measure import measured  # noqa: PLC0415

        measured(device, keep=keep, as_json=as_json)
        return
    if keep or device:
        raise UsageError("--keep and --device belong to --measure", hint="headway doctor --measure")
    _look(as_json)


def _look(as_json: bool) -> None:
    from headway.cli.examine import examine  # noqa: PLC0415
    from headway.cli.words import coloured, one_line  # noqa: PLC0415

    findings = []
    width = 14
    for each in examine():
        findings.append(each)
        if as_json:
            continue
        state = coloured(f"{each.state:<8}", COLOURS[each.state], sys.stdout)
        print(f"{state} {each.name:<{width}}  {one_line(each.found)}")
        if each.fix:
            print(f"{'':<8} {'':<{width}}  -> {each.fix}", flush=True)
    if as_json:
        print(json.dumps([asdict(each) for each in findings], indent=2))
    if any(each.state == "missing" for each in findings):
        raise typer.Exit(1)

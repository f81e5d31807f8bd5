"""`headway doctor`: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

__all__ = ["register"]

COLOURS = {"ok": "32", "note": "33", "missing": "31"}


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Tell what this machine has and lacks.

    For each thing that is missing, the command that gets it. Exit status 1 when something needed is missing.
    """
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

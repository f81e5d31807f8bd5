"""`headway schema`: the JSON Schema of the user's file, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(schema)


def schema(out: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None) -> None:
    """Print the JSON Schema of the file, with which editors complete and check it."""
    from headway.spec.schema import json_schema  # noqa: PLC0415

    text = json.dumps(json_schema(), indent=2)
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n")

"""`headway schema`: the JSON Schema of the user's file, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from headway.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(schema)


def schema(out: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None) -> None:
    """Print the file's JSON Schema.

    With it editors complete and check the file that `headway up` reads.
    """
    from headway.spec.schema import json_schema  # noqa: PLC0415

    text = json.dumps(json_schema(), indent=2)
    if out is None:
        print(text)
        return
    try:
        out.write_text(text + "\n")
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}", hint="name a file in a folder that can be written") from error

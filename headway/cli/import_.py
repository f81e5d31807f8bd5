"""`headway import FILE`: hand-written Deployments of inference engines as Models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headway.cli.on import ON
from headway.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command("import")(import_)


def import_(
    target: Annotated[
        str,
        typer.Argument(help="A file of manifests, a folder of them, - for standard input; with --on: deployment/NAME."),
    ],
    on: Annotated[str | None, ON] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="With --on: where it runs. Left out: the Site's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the Models to this file.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Read Deployments and StatefulSets that serve models, and write the Models that say the same.

    vLLM, SGLang, llama.cpp and text-generation-inference are known, with the HPA, ScaledObject and claims beside them.
    What a Model need not say is left out; what it cannot say is told above it. Nothing on the cluster is changed.
    """
    from headway.cli.import_file import found_in, text_of_all, to_json  # noqa: PLC0415

    found = found_in(target, on, namespace or "")
    text = to_json(found) if as_json else text_of_all(found, target)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"-o {out}: cannot be written: {error.strerror}", hint="name a file in a folder") from error

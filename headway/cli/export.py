"""`headway export FILE`: what a file means on a cluster, as YAML that is the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headway.cli.on import ON

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(export)


def complete_form(incomplete: str) -> list[str]:
    from headway.sites.kubernetes.export.registry import FORMS  # noqa: PLC0415

    return [each for each in FORMS if each.startswith(incomplete)]


def complete_piece(incomplete: str) -> list[str]:
    from headway.sites.kubernetes.export.registry import PIECES  # noqa: PLC0415

    return [each for each in PIECES if each.startswith(incomplete)]


def export(
    target: Annotated[
        str | None,
        typer.Argument(help="A file (- for standard input), or a model: hf://org/name; without it, ./headway.yaml."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="FORM",
            help="kubernetes, headway, kserve, kserve-llm, rayservice, lws, knative, keda, keda-external, "
            "gateway-api or kueue; --list says what they are. Left out: kubernetes.",
            autocompletion=complete_form,
        ),
    ] = None,
    pieces: Annotated[
        list[str] | None,
        typer.Option(
            "--piece",
            metavar="PIECE",
            help="Instead of the Models: what an admin sets up for them. Several times, or all; --list names them.",
            autocompletion=complete_piece,
        ),
    ] = None,
    on: Annotated[str | None, ON] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Of the objects. Left out: the Site's, else default.")
    ] = None,
    host: Annotated[str, typer.Option(help="Of the ingress: under which callers come from outside.")] = (
        "models.example.com"
    ),
    issuer: Annotated[str, typer.Option(help="Of the certificate: cert-manager's ClusterIssuer.")] = "letsencrypt",
    prometheus: Annotated[str, typer.Option(help="Where KEDA and KServe ask Prometheus.")] = (
        "http://prometheus-operated.monitoring:9090"
    ),
    bare: Annotated[bool, typer.Option("--bare", help="Without comments.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it to this file, or a file for each object into a folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A List, for programs.")] = False,
    list_all: Annotated[bool, typer.Option("--list", help="Say which forms and pieces there are, and exit.")] = False,
) -> None:
    """Print the objects that a file becomes on a cluster, each value with its reason.

    They are plain YAML for kubectl, and belong to you: nothing in them needs Headway unless the form says so. With
    --on the cluster is looked at first (its GPUs, volumes, what is installed); without, they fit any.
    """
    from headway.cli.export_file import Asked, exported, told_forms, write  # noqa: PLC0415
    from headway.sites.kubernetes.export.wish import Words  # noqa: PLC0415

    if list_all:
        for line in told_forms():
            print(line)
        return
    words = Words(host, issuer, prometheus)
    asked = Asked(target, form or "kubernetes", tuple(pieces or ()), on, namespace or "", words)
    write(exported(asked), bare=bare, as_json=as_json, out=out)

"""`headway weights`: bring a model's weights to a folder. What init containers and prefetch Jobs of a cluster run."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

import typer

from headway.cli.words import size

__all__ = ["register"]

AGAIN_AFTER = 15.0
"""Seconds between two lines about the same work."""


def register(app: typer.Typer) -> None:
    app.command()(weights)


def weights(
    source: str = typer.Argument(..., help="As in a file: hf://, s3://, gs://, oci://, ollama:// or builtin://."),
    to: str = typer.Option(..., "--to", help="The folder."),
    form: Literal["folder", "gguf", "bert"] = typer.Option(
        "folder", "--form", help="folder: safetensors. gguf: one GGUF file. bert: an embedder, made GGUF."
    ),
    commit: str = typer.Option("", "--commit", help="Of the hub, in place of the source's branch."),
    wait: str = typer.Option("", "--wait", help="Fetch nothing: wait so long until another has done it, like 1h."),
) -> None:
    """Bring a model's weights to a folder.

    Whole or not at all: what lies there is marked when all of it is there and right. A second time does nothing.
    """
    from headway.engines.weights import bring as bringing  # noqa: PLC0415
    from headway.engines.weights.marker import Asked  # noqa: PLC0415
    from headway.errors import UsageError  # noqa: PLC0415
    from headway.spec.fault import Fault  # noqa: PLC0415
    from headway.spec.source import Source  # noqa: PLC0415
    from headway.spec.units import parse_duration  # noqa: PLC0415

    try:
        asked = Asked(str(Source.parse(source)), form, commit)
        seconds = parse_duration(wait) if wait else 0.0
    except Fault as fault:
        raise UsageError(fault.message, hint=fault.hint) from None
    lines = _Lines()
    if wait:
        bringing.wait(asked, Path(to), seconds, lines.tell)
        print(f"{asked.source}  there, in {to}", flush=True)
        return
    began = time.monotonic()
    fresh = bringing.bring(asked, Path(to).absolute(), lines.tell)
    took = f"brought to {to} in {time.monotonic() - began:.0f} s" if fresh else f"was there already, in {to}"
    print(f"{asked.source}  {took}", flush=True)


class _Lines:
    """For a pod's log."""

    def __init__(self) -> None:
        self._stage, self._at = "", 0.0

    def tell(self, progress: object) -> None:
        from headway.engines.base import Progress  # noqa: PLC0415

        assert isinstance(progress, Progress)  # noqa: S101
        now = time.monotonic()
        if progress.stage == self._stage and now - self._at < AGAIN_AFTER:
            return
        self._stage, self._at = progress.stage, now
        far = f"  {size(progress.done)} of {size(progress.total)}" if progress.total else ""
        print(f"{progress.stage}  {progress.label}{far}", file=sys.stderr, flush=True)

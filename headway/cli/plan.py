"""`headway plan FILE`: on which GPUs to serve a Model, how many, with which options, and what that costs, before a
single one is paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headway.cli.bench_asked import complete_workload
from headway.cli.on import complete_site
from headway.errors import UsageError

__all__ = ["register"]

MOST_HEAD_ROOM = 10.0


def register(app: typer.Typer) -> None:
    app.command()(plan)


def plan(
    target: Annotated[
        str | None,
        typer.Argument(help="A file (- for standard input), or a model: hf://org/name; without it, ./headway.yaml."),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(
            "--on",
            help="A Site: its name in FILE or of headway site ls, a context of the kubeconfig, another file, or local. "
            "Left out: FILE's, else the one in use, else all GPUs at list prices.",
            autocompletion=complete_site,
        ),
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            help="chat, rag, agent, code, summarise, or a YAML file. Left out: FILE's, else chat at 1/s.",
            autocompletion=complete_workload,
        ),
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="Recorded requests: plan for their peak.", metavar="FILE")] = None,
    window: Annotated[str, typer.Option(help="Of the trace: the time over which its peak is taken.")] = "60s",
    speed: Annotated[str | None, typer.Option(help="Of the trace: 20x.")] = None,
    rate: Annotated[str | None, typer.Option(help="In place of the workload's: 20/s, 600/min.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="In place of a rate: callers that wait.")] = None,
    slo: Annotated[
        str | None, typer.Option(help="In place of the file's: ttft=500ms,itl=50ms; also tpot, e2e.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only this Model of the file.")] = None,
    head_room: Annotated[str, typer.Option("--headroom", help="So much more load keeps the limits, too.")] = "20%",
    n_plus_1: Annotated[bool, typer.Option("--n-plus-1", help="One replica more, so that any may fail.")] = False,
    no_spot: Annotated[bool, typer.Option("--no-spot", help="Nothing that may be taken away.")] = False,
    quality: Annotated[
        str, typer.Option(help="How far weights may be from those published: published, 8bit, 4bit.")
    ] = "8bit",
    config: Annotated[
        Path | None, typer.Option(help="config.json of a model that the catalogue has not.", metavar="FILE")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=100, help="Rows of the table.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the choices as a file for headway up.", metavar="FILE")
    ] = None,
) -> None:
    """Say which GPUs serve a Model within its limits, what that costs, and why not cheaper ones.

    The cheapest choice that keeps the limits with head-room stands first; figures are predicted, with the band that
    holds 90 % of what is measured. Exit status: 0 there is one, 1 the limits cannot be kept, 2 wrong usage or file.
    """
    from headway.cli.plan_asked import Wanted, planned  # noqa: PLC0415
    from headway.cli.plan_json import to_json  # noqa: PLC0415
    from headway.cli.plan_table import plan_lines  # noqa: PLC0415
    from headway.cli.plan_write import write  # noqa: PLC0415
    from headway.spec.fault import Fault  # noqa: PLC0415
    from headway.spec.units import parse_duration  # noqa: PLC0415

    try:
        seconds = parse_duration(window)
    except Fault as fault:
        raise UsageError(f"--window: {fault.message}", hint=fault.hint) from None
    if seconds <= 0:
        raise UsageError(f"--window: found {window!r}", hint="write a time, like 60s")
    plans = planned(
        Wanted(
            target=target,
            site=site,
            workload=workload,
            trace=trace,
            window=seconds,
            speed=speed,
            rate=rate,
            concurrency=concurrency,
            slo=slo,
            model=model,
            head_room=_share(head_room),
            n_plus_1=n_plus_1,
            no_spot=no_spot,
            quality=quality,
            config=config,
        )
    )
    if as_json:
        typer.echo(to_json(plans))
    else:
        for number, each in enumerate(plans):
            for line in ([""] if number else []) + list(plan_lines(each, top)):
                print(line)
    if out is not None:
        write(plans, out)
    if any(not each.is_kept for each in plans):
        raise typer.Exit(1)


def _share(text: str) -> float:
    """20% or 0.2."""
    try:
        share = float(text.removesuffix("%").strip()) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= MOST_HEAD_ROOM:
        raise UsageError(f"--headroom: found {text!r}", hint="write a share, like 20% or 0.2")
    return share

"""`headway simulate FILE`: recorded or made-up traffic through the policies that will run, on GPUs that are reckoned
and not paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headway.cli.bench_asked import complete_workload
from headway.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(simulate)


def simulate(
    target: Annotated[
        str | None,
        typer.Argument(help="A file (- for standard input), or a model: hf://org/name; without it, ./headway.yaml."),
    ] = None,
    trace: Annotated[
        list[Path] | None, typer.Option(help="Recorded requests; --court takes several.", metavar="FILE")
    ] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            help="In place of a trace: chat, rag, agent, code, summarise, or a YAML file. Left out: FILE's, else chat.",
            autocompletion=complete_workload,
        ),
    ] = None,
    speed_up: Annotated[str | None, typer.Option(help="Of the trace: 20x.")] = None,
    rate: Annotated[str | None, typer.Option(help="In place of the workload's: 20/s, 600/min.")] = None,
    lasts: Annotated[str | None, typer.Option("--for", help="How long: 30m, 7d; of a trace, its first part.")] = None,
    fleet: Annotated[
        str | None, typer.Option(help="GPUs, in place of the file's: H100-SXM:8, L4.", metavar="GPU[:COUNT]")
    ] = None,
    replicas: Annotated[int | None, typer.Option(min=0, max=100_000, help="In place of the file's; fixed.")] = None,
    policy: Annotated[
        str,
        typer.Option(
            help="Of routing, in place of the file's: predicted_latency, round_robin, least_request, "
            "power_of_two, prefix_affinity."
        ),
    ] = "",
    scaler: Annotated[str, typer.Option(help="headway (where replicas is a range), hpa, keda, kpa, or fixed.")] = "",
    cold: Annotated[bool, typer.Option("--cold", help="The first replicas, too, have to start.")] = False,
    cold_start: Annotated[str | None, typer.Option(help="In place of what is reckoned: 120s.")] = None,
    faults: Annotated[
        str | None,
        typer.Option(help="Of a replica, on the mean: deaths every so long, spot preemptions: death=200h,spot=24h."),
    ] = None,
    slo: Annotated[str | None, typer.Option(help="In place of the file's: ttft=500ms,itl=50ms.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="config.json of a model that the catalogue has not.", metavar="FILE")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same figures.")] = 0,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="Beside it: another FILE, a policy of routing or a scaler; may be given again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="A folder for simulation.json and timeline.html.", metavar="DIR")
    ] = None,
    court: Annotated[bool, typer.Option("--court", help="Scaling policies on trial, on each trace.")] = False,
    starts: Annotated[str | None, typer.Option("--from", help="Where in the trace --court begins: 10h.")] = None,
    copies: Annotated[
        float | None,
        typer.Option(min=0.001, help="Of the trace, laid over one another; else as --court's plan needs for 16."),
    ] = None,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="With --court: ours without each of its parts, too.")
    ] = False,
    timeline: Annotated[Path | None, typer.Option(help="How it went, as a page.", metavar="FILE.html")] = None,
    chrome_trace: Annotated[
        Path | None, typer.Option(help="Steps and requests, for ui.perfetto.dev.", metavar="FILE.json")
    ] = None,
) -> None:
    """Say what users would feel and what it would cost, before a GPU is touched.

    Requests go through the very routing, limits, fair lines and scaling that serve; engines are reckoned step by step:
    continuous batching, paged KV, prefix cache. The same seed gives the same figures. Exit status: 0, 1 a model
    that does not fit, 2 wrong usage or file.
    """
    from headway.cli.simulate_run import Wanted, run, run_court  # noqa: PLC0415

    if court:
        run_court(
            Wanted(
                target=target, lasts=lasts, fleet=fleet, policy=policy, cold_start=cold_start, slo=slo, config=config,
                seed=seed, compare=tuple(compare or ()),
            ),
            trace or [], start=starts, copies=copies, ablate=ablate, as_json=as_json,
        )  # fmt: skip
        return
    for option, given in (
        ("--from", starts),
        ("--copies", copies),
        ("--ablate", ablate),
        ("more than one --trace", (trace or [])[1:]),
    ):
        if given:
            raise UsageError(f"{option} is for --court", hint="add --court, or leave it out")
    run(
        Wanted(
            target=target,
            trace=trace[0] if trace else None,
            workload=workload,
            speed=speed_up,
            rate=rate,
            lasts=lasts,
            fleet=fleet,
            replicas=replicas,
            policy=policy,
            scaler=scaler,
            cold=cold,
            cold_start=cold_start,
            faults=faults,
            slo=slo,
            config=config,
            seed=seed,
            compare=tuple(compare or ()),
        ),
        as_json=as_json,
        out=out,
        timeline=timeline,
        chrome_trace=chrome_trace,
    )

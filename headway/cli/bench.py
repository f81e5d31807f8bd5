"""`headway bench [TARGET]`: load a server as its users would, and say what they felt, or that it cannot be said.

What it was asked becomes a RunPlan here; what is done with it stands in bench_modes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from headway.cli.bench_asked import Asked, complete_workload
from headway.cli.names import complete_name
from headway.errors import UsageError

if TYPE_CHECKING:
    from headway.bench.plan import Dialect, RunPlan
    from headway.spec.workload import Workload

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(bench)


def bench(
    target: Annotated[
        str | None,
        typer.Argument(
            help="An OpenAI-compatible address: http://HOST:PORT; or a Model here; without it, this machine's Headway.",
            autocompletion=complete_name,
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Left out: the workload's, or the only one there is.")] = None,
    workload: Annotated[
        str | None,
        typer.Option(
            help="chat (the default), rag, agent, code, summarise, embed, or a YAML file of kind Workload.",
            autocompletion=complete_workload,
        ),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Requests, whatever the server does: 20/s, 600/min, 5..50/s.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="In place of a rate: callers that wait for answers.")
    ] = None,
    lasts: Annotated[str | None, typer.Option("--for", help="How long: 60s, 5m; of --find-max, load in all.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="In place of --for: how many.")] = None,
    pattern: Annotated[str | None, typer.Option(help="Of arrivals: poisson, constant.")] = None,
    trace: Annotated[Path | None, typer.Option(help="Send recorded requests again.", metavar="FILE")] = None,
    speed: Annotated[str | None, typer.Option(help="Of the trace: 20x.")] = None,
    slo: Annotated[str | None, typer.Option(help="ttft=200ms,itl=50ms; also tpot, e2e.")] = None,
    warmup: Annotated[
        str | None, typer.Option(help="What is not counted at the beginning; left out: it is found.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed sends the same requests.")] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="KEY, secret:NAME/KEY, or TENANT=either; again for each tenant. [HEADWAY_API_KEY, OPENAI_API_KEY]"
        ),
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="NAME: VALUE, with each request; may be given again.")
    ] = None,
    dialect: Annotated[
        str, typer.Option(help="Fields beyond OpenAI's: engine (ignore_eos and the like), openai (none), auto.")
    ] = "auto",
    metrics: Annotated[
        str | None, typer.Option(help="The server's own counters; left out: TARGET/metrics if it is there; none.")
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificates to believe.", metavar="FILE")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Believe any certificate.")] = False,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Processes that send; 0 = as the load needs.")] = 0,
    timeout: Annotated[str, typer.Option(help="The longest that a request may take.")] = "300s",
    drain: Annotated[str, typer.Option(help="How long answers may take after the last request was sent.")] = "30s",
    tokenizer: Annotated[
        Path | None, typer.Option(help="A tokenizer.json, to check the server's token counts by.", metavar="FILE")
    ] = None,
    find_max: Annotated[bool, typer.Option("--find-max", help="Find the highest rate that keeps the SLO.")] = False,
    at_least: Annotated[str, typer.Option(help="Of --find-max: the share of requests inside the SLO.")] = "95%",
    curve: Annotated[bool, typer.Option("--curve", help="Measure at rates up to beyond the knee.")] = False,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Two runs (folders), or several of each: A1,A2,A3 B1,B2,B3.", metavar="A B"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be sent, and send nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary, for programs.")] = False,
    out: Annotated[
        str | None,
        typer.Option(help="A folder for summary.json, report.html and records; none = write nothing.", metavar="DIR"),
    ] = None,
    records: Annotated[str, typer.Option(help="Of each request: jsonl, parquet, none.")] = "jsonl",
) -> None:
    """Measure a server under load, and say whether the measurement can be trusted.

    Latencies count from when each request was due, so that a server that is slow cannot make the load wait for it. Exit
    status: 0 VALID, 1 OVERLOADED or FAILED, 2 wrong usage or file, 3 not reachable, 4 INVALID.
    """
    from headway.cli import bench_modes  # noqa: PLC0415

    if sum((find_max, curve, compare is not None)) > 1:
        raise UsageError("--find-max, --curve and --compare", hint="give one of them")
    if compare is not None:
        bench_modes.compare_runs(*compare, as_json=as_json)
        return
    asked = Asked(
        workload=workload,
        model=model,
        rate=rate,
        pattern=pattern,
        concurrency=concurrency,
        lasts=lasts,
        requests=requests,
        trace=trace,
        speed=speed,
        slo=slo,
        seed=seed,
        warmup=warmup,
    )
    searching = find_max or curve
    wanted = _workload(asked, searching)
    if dry_run:
        bench_modes.tell_schedule(wanted, as_json)
        return
    plan = _plan(
        wanted, target, key or [], header or [], dialect, metrics, ca, insecure, workers, timeout, drain, tokenizer
    )
    told = bench_modes.Told(as_json, out, records, tokenizer)
    if find_max:
        bench_modes.search(plan, told, at_least, rate is not None, lasts)
    elif curve:
        bench_modes.draw_curve(plan, told, rate is not None, lasts)
    else:
        bench_modes.run_once(plan, told)


def _workload(asked: Asked, searching: bool) -> Workload:
    from dataclasses import replace  # noqa: PLC0415

    from headway.cli.bench_asked import workload_asked  # noqa: PLC0415

    if not searching:
        return workload_asked(asked)
    if asked.concurrency is not None or asked.requests is not None or asked.trace is not None:
        raise UsageError(
            "--find-max and --curve choose rates themselves", hint="leave --concurrency, --requests and --trace out"
        )
    return workload_asked(replace(asked, lasts=None))


def _plan(
    workload: Workload,
    target: str | None,
    keys: list[str],
    headers: list[str],
    dialect: str,
    metrics: str | None,
    ca: Path | None,
    insecure: bool,
    workers: int,
    timeout: str,
    drain: str,
    tokenizer: Path | None,
) -> RunPlan:
    from headway.bench.plan import RunPlan, Target  # noqa: PLC0415
    from headway.bench.varied import written  # noqa: PLC0415
    from headway.cli.bench_server import model_of, server_asked  # noqa: PLC0415
    from headway.spec.check import workload_from_json  # noqa: PLC0415

    if dialect not in ("auto", "engine", "openai"):
        raise UsageError(f"--dialect: found {dialect!r}", hint="write one of auto, engine, openai")
    for name, file in (("--ca", ca), ("--tokenizer", tokenizer)):
        if file is not None and not file.exists():
            raise UsageError(f"{name}: no file {file}", hint="check the path")
    server = server_asked(target, keys)
    if _names_no_model(workload):
        workload = workload_from_json(written(workload) | {"model": model_of(server, workload.operation)})
    return RunPlan(
        workload=workload,
        target=Target(
            url=server.url,
            keys=server.keys,
            headers=tuple(_header(each) for each in headers),
            dialect=cast("Dialect", dialect),
            ca=ca,
            verify=not insecure,
        ),
        workers=workers,
        timeout=_seconds(timeout, "--timeout"),
        drain=_seconds(drain, "--drain"),
        scrape="" if metrics == "none" else metrics,
        keep_text=0 if tokenizer is None else 20,
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isprintable():
        raise UsageError(f"--header: found {text!r}", hint="write NAME: VALUE")
    return name.strip(), value.strip()


def _seconds(text: str, option: str) -> float:
    from headway.spec.fault import Fault  # noqa: PLC0415
    from headway.spec.units import parse_duration  # noqa: PLC0415

    try:
        return parse_duration(text)
    except Fault as fault:
        raise UsageError(f"{option}: {fault.message}", hint=fault.hint) from None


def _names_no_model(workload: Workload) -> bool:
    """Some of its requests, or of a trace the first one."""
    if workload.trace is None:
        return any(part.model is None for part in workload.parts)
    from headway.bench.schedule import traffic_of  # noqa: PLC0415

    first = next(iter(traffic_of(workload, None, None)), None)
    return first is not None and not first.model

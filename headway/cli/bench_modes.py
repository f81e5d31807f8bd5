"""What `headway bench` does with a plan: one run, a search, a curve; and what it tells of it. Also: a schedule, a comparison.

The figures go to stdout (a table, or JSON), everything else to stderr. A run that was interrupted still tells what there is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import typer

from headway.bench.curve import Point
from headway.bench.readable import each_second, percent, span
from headway.bench.find import Stage, Wish, find
from headway.bench.limits import limits_of
from headway.bench.plan import RunPlan
from headway.bench.schema import Slo
from headway.bench.search import Found, Probe
from headway.bench.sweep import sweep
from headway.bench.telling import limits as told_limits
from headway.bench.trial import Trial, Watch, measure
from headway.cli.bench_asked import parse_share
from headway.cli.bench_folder import REPORT, SUMMARY, Folder, folder_for
from headway.cli.bench_live import LiveLine
from headway.cli.bench_plan import outlook, outlook_lines, planned_traffic, told_arrivals
from headway.cli.bench_table import comparison_lines, curve_lines, found_lines, show_lines, summary_lines, width
from headway.errors import UsageError
from headway.spec.fault import Fault
from headway.spec.units import parse_duration
from headway.spec.workload import Workload

__all__ = ["Told", "compare_runs", "draw_curve", "run_once", "search", "tell_schedule"]

SEARCH_SECONDS = 110.0
"""Of load in all, so that a search takes two minutes."""
CURVE_SECONDS = 10.0
"""At each rate."""
OVERLOADED, INVALID = 1, 4


@dataclass(frozen=True, slots=True)
class Told:
    """Where the figures go: JSON or a table on stdout; a folder (`out`; None = one with the run's name) with `records`."""

    as_json: bool
    out: str | None
    records: str
    tokenizer: Path | None = None


def tell_schedule(workload: Workload, as_json: bool) -> None:
    found = outlook(planned_traffic(workload, None))
    if as_json:
        _print_json(found)
        return
    print(told_arrivals(workload, None))
    show_lines(outlook_lines(found))


def run_once(plan: RunPlan, told: Told) -> None:
    limits = limits_of(plan.workload)
    planned_traffic(plan.workload, plan.seed)  # a trace that cannot be read is told before any folder is made
    folder = folder_for(told.out, plan.workload.name, told.records)
    if folder is not None:
        folder.open_records()
    print(f"{told_arrivals(plan.workload, plan.seed)} -> {plan.target.url}", file=sys.stderr, flush=True)
    with LiveLine(limits) as live:
        trial = measure(plan, limits, keep=None if folder is None else folder.keep, watch=live)
    if told.tokenizer is not None:
        trial = _with_tokens(trial, told.tokenizer)
    if folder is not None:
        from headway.bench.report.page import page  # noqa: PLC0415

        folder.close_records(trial.facts, limits)
        folder.write(SUMMARY, _json(trial.summary))
        folder.write(REPORT, page(trial))
    if told.as_json:
        _print_json(trial.summary)
    else:
        show_lines(summary_lines(trial.summary, width()))
    _end(folder, trial.summary.verdict.exit_code)


def search(plan: RunPlan, told: Told, at_least: str, first_given: bool, lasts: str | None) -> None:
    limits, share = limits_of(plan.workload), parse_share(at_least, "--at-least")
    if not limits:
        raise UsageError("--find-max needs limits", hint="say what is good enough: --slo ttft=500ms,itl=50ms")
    seconds = SEARCH_SECONDS if lasts is None else _duration(lasts)
    folder = folder_for(told.out, plan.workload.name, told.records)
    slo = " and ".join(filter(None, map(told_limits, limits)))
    print(f"{plan.workload.name}: the highest rate with {percent(share)} inside {slo}, in {span(seconds)} of load at the most "
          f"-> {plan.target.url}", file=sys.stderr, flush=True)  # fmt: skip
    wish = Wish(share=share, seconds=seconds, first=_first_rate(plan.workload) if first_given else None)
    with ExitStack() as lines:
        found, stages = find(
            plan, limits, wish,
            live=lambda probe: _live(lines, limits, probe),
            told=lambda stage: _tell_stage(lines, stage, folder, limits),
        )  # fmt: skip
    if folder is not None:
        from headway.bench.report.page import search_page  # noqa: PLC0415

        folder.write(SUMMARY, _json(_search_dict(found, stages, limits, share)))
        if stages:
            folder.write(REPORT, search_page(found, stages, share))
    if told.as_json:
        _print_json(_search_dict(found, stages, limits, share))
    else:
        show_lines(found_lines(found, share, slo, width()))
    broken = bool(stages) and bool(stages[-1].fault)
    _end(folder, INVALID if broken else 0 if found.rate > 0 else OVERLOADED)


def draw_curve(plan: RunPlan, told: Told, first_given: bool, lasts: str | None) -> None:
    limits = limits_of(plan.workload)
    seconds = CURVE_SECONDS if lasts is None else _duration(lasts)
    folder = folder_for(told.out, plan.workload.name, told.records)
    print(f"{plan.workload.name}: {span(seconds)} at each rate -> {plan.target.url}", file=sys.stderr, flush=True)
    with ExitStack() as lines:
        found = sweep(
            plan, limits, seconds, _first_rate(plan.workload) if first_given else None,
            live=lambda rate: _live(lines, limits, Probe(rate, seconds)),
            told=lambda point, trial: _tell_point(lines, point, trial, folder, limits),
        )  # fmt: skip
    points = [point for point, _ in found]
    if folder is not None:
        from headway.bench.report.page import curve_page  # noqa: PLC0415

        folder.write(SUMMARY, _json({"points": points}))
        if found:
            folder.write(REPORT, curve_page(found))
    if told.as_json:
        _print_json({"points": points})
    else:
        show_lines(curve_lines(points, width()))
    trusted = [point for point in points if point.verdict != "INVALID"]
    _end(folder, 0 if len(trusted) == len(points) and points else INVALID)


def compare_runs(a: str, b: str, *, as_json: bool) -> None:
    from headway.bench.compare import compare  # noqa: PLC0415
    from headway.bench.samples import samples  # noqa: PLC0415

    left, right, cautions = samples(_paths(a), _paths(b))
    found = compare(left, right)
    if as_json:
        _print_json({"comparison": found, "cautions": cautions})
        return
    show_lines(comparison_lines(found, width()))
    for caution in cautions:
        print(f"note: {caution}")


def _paths(text: str) -> list[Path]:
    return [Path(each.strip()) for each in text.split(",") if each.strip()]


def _live(lines: ExitStack, limits: list[Slo], probe: Probe) -> Watch:
    return lines.enter_context(LiveLine(limits, f"{each_second(probe.rate)}:"))


def _tell_stage(lines: ExitStack, stage: Stage, folder: Folder | None, limits: list[Slo]) -> None:
    """One line for each stage; the live one gives way to it."""
    lines.close()
    seen = stage.seen
    state = "not believed" if stage.fault else "overloaded" if seen.overloaded else f"{percent(seen.share)} inside"
    print(f"{each_second(seen.rate):>10}  {state:<18} {len(seen.hits):>6,} requests in {span(seen.seconds)}, "
          f"answered {each_second(seen.answered)}", file=sys.stderr, flush=True)  # fmt: skip
    if folder is not None:
        folder.add_run(stage.trial.records, stage.trial.facts, limits)


def _tell_point(lines: ExitStack, point: Point, trial: Trial, folder: Folder | None, limits: list[Slo]) -> None:
    lines.close()
    print(f"{each_second(point.rate):>10}  answered {each_second(point.answered)}, {trial.summary.verdict.word}",
          file=sys.stderr, flush=True)  # fmt: skip
    if folder is not None:
        folder.add_run(trial.records, trial.facts, limits)


def _search_dict(found: Found, stages: Sequence[Stage], limits: list[Slo], share: float) -> dict[str, Any]:
    return {
        "found": found,
        "share": share,
        "slo": limits,
        "stages": [
            {
                "asked": each.asked,
                "rate": each.seen.rate,
                "seconds": each.seen.seconds,
                "requests": len(each.seen.hits),
                "inside": each.seen.share,
                "overloaded": each.seen.overloaded,
                "answered": each.seen.answered,
                "summary": each.trial.summary,
            }
            for each in stages
        ],
    }


def _first_rate(workload: Workload) -> float | None:
    rate = None if workload.arrivals is None else workload.arrivals.rate
    return None if rate is None else rate.mean


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except Fault as fault:
        raise UsageError(f"--for: {fault.message}", hint=fault.hint) from None


def _with_tokens(trial: Trial, tokenizer: Path) -> Trial:
    """The server's counts of tokens beside those of a tokenizer."""
    from headway.bench.reconcile import token_findings  # noqa: PLC0415

    found = token_findings(trial.records, tokenizer)
    summary = msgspec.structs.replace(trial.summary, server=[*trial.summary.server, *found])
    return Trial(trial.records, trial.facts, summary)


def _end(folder: Folder | None, code: int) -> None:
    """Raises whatever ends the command: the disk's fault, or the exit status of the verdict."""
    if folder is not None:
        print(f"wrote {folder.told}", file=sys.stderr)
        if folder.fault is not None:
            print(f"error: {folder.fault}", file=sys.stderr)
            code = code or folder.fault.exit_code
    sys.stdout.flush()
    raise typer.Exit(code)


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _print_json(value: Any) -> None:
    sys.stdout.write(_json(value).decode())

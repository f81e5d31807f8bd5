"""What `headway bench` does with a plan: one run, a search, a curve; and what it tells of it. Also: a schedule, a
comparison.

The figures go to stdout (a table, or JSON), everything else to stderr. A run that was interrupted still tells what
there is.
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
from headway.bench.find import Stage, Wish, find
from headway.bench.limits import limits_of
from headway.bench.plan import RunPlan
from headway.bench.readable import each_second, percent, span
from headway.bench.schedule import traffic_of
from headway.bench.schema import Slo
from headway.bench.search import Found
from headway.bench.sweep import sweep
from headway.bench.telling import limits as told_limits
from headway.bench.trial import Trial, Watch, measure
from headway.cli.bench_asked import parse_share
from headway.cli.bench_folder import LLMD, REPORT, SUMMARY, Folder, folder_for
from headway.cli.bench_live import LiveLine
from headway.cli.bench_plan import outlook, outlook_lines, told_arrivals
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
FAILED, INVALID = 1, 4
"""Exit statuses."""


@dataclass(frozen=True, slots=True)
class Told:
    """Where the figures go: JSON or a table on stdout; a folder (`out`; None = one with the run's name) with
    `records`."""

    as_json: bool
    out: str | None
    records: str
    tokenizer: Path | None = None


def tell_schedule(workload: Workload, as_json: bool) -> None:
    found = outlook(traffic_of(workload, None, None))
    if as_json:
        _print_json(found)
        return
    print(told_arrivals(workload, None))
    show_lines(outlook_lines(found))


def run_once(plan: RunPlan, told: Told) -> None:
    limits = limits_of(plan.workload)
    _ = traffic_of(
        plan.workload, plan.trace, plan.seed
    ).stages  # a trace that cannot be read is told before anything is made or asked
    if told.tokenizer is not None:
        from headway.bench.tokenizer import token_findings  # noqa: PLC0415

        token_findings([], told.tokenizer)  # and so is a tokenizer
    with ExitStack() as stack:
        folder = _folder(stack, plan, told)
        if folder is not None:
            folder.open_records()
        live = stack.enter_context(
            LiveLine(limits, first=f"{told_arrivals(plan.workload, plan.seed)} -> {plan.target.url}")
        )
        keep = None if folder is None else folder.keep
        trial = measure(plan, limits, keep=keep, watch=live, tokenizer=told.tokenizer)
        if folder is not None:
            folder.close_records(trial.facts, limits)
    if folder is not None:
        from headway.bench import llmd  # noqa: PLC0415
        from headway.bench.report.page import page  # noqa: PLC0415

        folder.write(SUMMARY, _json(trial.summary))
        folder.write(LLMD, _json(llmd.report(trial.summary)))
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
    slo = " and ".join(filter(None, map(told_limits, limits)))
    sought = f"{plan.workload.name}: the highest rate with {percent(share)} inside {slo}"
    first = f"{sought}, in {span(seconds)} of load -> {plan.target.url}"
    wish = Wish(share=share, seconds=seconds, first=_first_rate(plan.workload) if first_given else None)
    with ExitStack() as stack:
        folder = _folder(stack, plan, told)
        teller = _Teller(stack, first, limits, folder)
        found, stages = find(plan, limits, wish, live=lambda probe: teller.live(probe.rate), told=teller.stage)
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
    answered = found.bracketed or found.rate == 0
    _end(folder, INVALID if broken or not answered else 0 if found.rate > 0 else FAILED)


def draw_curve(plan: RunPlan, told: Told, first_given: bool, lasts: str | None) -> None:
    limits = limits_of(plan.workload)
    seconds = CURVE_SECONDS if lasts is None else _duration(lasts)
    first = f"{plan.workload.name}: {span(seconds)} at each rate -> {plan.target.url}"
    with ExitStack() as stack:
        folder = _folder(stack, plan, told)
        teller = _Teller(stack, first, limits, folder)
        begin = _first_rate(plan.workload) if first_given else None
        found = sweep(plan, limits, seconds, begin, live=teller.live, told=teller.point)
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
    _end(folder, 0 if points and all(point.verdict != "INVALID" for point in points) else INVALID)


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


class _Teller:
    """One line for each stage of a search or point of a curve; the live line gives way to it."""

    def __init__(self, stack: ExitStack, first: str, limits: list[Slo], folder: Folder | None) -> None:
        self._lines = stack.enter_context(ExitStack())
        self._first, self._limits, self._folder = first, limits, folder

    def live(self, rate: float) -> Watch:
        first, self._first = self._first, ""
        return self._lines.enter_context(LiveLine(self._limits, first=first, name=f"{each_second(rate)}:"))

    def stage(self, stage: Stage) -> None:
        seen = stage.seen
        state = "overloaded" if seen.overloaded else f"{percent(seen.share)} inside"
        told = f"{len(seen.hits):,} requests in {span(seen.seconds)}, answered {each_second(seen.answered)}"
        self._say(f"{each_second(seen.rate):>10}  {state:<18} {told}", stage.trial)
        if stage.fault:
            print(f"{'':>10}  not believed: {stage.fault}", file=sys.stderr, flush=True)

    def point(self, point: Point, trial: Trial) -> None:
        self._say(f"{each_second(point.rate):>10}  answered {each_second(point.answered)}, {point.verdict}", trial)

    def _say(self, line: str, trial: Trial) -> None:
        self._lines.close()
        print(line, file=sys.stderr, flush=True)
        if self._folder is not None:
            self._folder.add_run(trial.records, trial.facts, self._limits)


def _folder(stack: ExitStack, plan: RunPlan, told: Told) -> Folder | None:
    folder = folder_for(told.out, plan.workload.name, told.records)
    return None if folder is None else stack.enter_context(folder)


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
                "fault": each.fault,
                "summary": each.trial.summary,
            }
            for each in stages
        ],
    }


def _paths(text: str) -> list[Path]:
    return [Path(each.strip()) for each in text.split(",") if each.strip()]


def _first_rate(workload: Workload) -> float | None:
    rate = None if workload.arrivals is None else workload.arrivals.rate
    return None if rate is None else rate.mean


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except Fault as fault:
        raise UsageError(f"--for: {fault.message}", hint=fault.hint) from None


def _end(folder: Folder | None, code: int) -> None:
    """Ends the command with the verdict's status; else with that of a disk that could not take all of it."""
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

"""`headway simulate FILE --court`: scaling policies on trial, one table for each trace."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headway.bench.readable import count, percent, seconds, span
from headway.cli.bench_table import columns_lines, show_lines, width
from headway.cli.simulate_fleet import Ways, fleet_of
from headway.cli.target import read
from headway.errors import UsageError
from headway.perf.traffic.trace import Trace
from headway.sim.court.bench import Trial, tried
from headway.sim.court.finding import Finding, Judged
from headway.sim.court.prepare import PEAK, Window
from headway.spec.units import format_duration
from headway.wire.traces import read_trace

__all__ = ["Asked", "finding_lines", "run"]

COLD_START = 120.0
"""Seconds: an 8B to 70B model on a node that has to come and to fetch weights takes two to seven minutes (llm-d's
documents); two is on the kind side to all who react."""
_SERVEGEN = Window(36_000.0, 3600.0)
"""ServeGen's laws go on for a day or more: its hour from 10:00 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options as they were given, read."""

    target: str | None
    traces: Sequence[Path]
    ways: Ways
    start: float | None = None
    lasts: float | None = None
    copies: float | None = None
    peak: int = PEAK
    policies: Sequence[str] = ()
    ablate: bool = False
    seed: int = 0


def run(asked: Asked, *, as_json: bool) -> None:
    """Raises HeadwayError."""
    if not asked.traces:
        raise UsageError("--court needs recorded requests", hint="give --trace FILE, once for each")
    objects, _, lines = read(asked.target)
    found: list[Finding] = []
    for path in asked.traces:
        trace = read_trace(path)
        fleet = fleet_of(objects, lines, asked.ways, lambda: (1000.0, 200.0, 4000.0), "")
        if len(fleet.served) > 1:
            names = " and ".join(each.name for each in fleet.served)
            raise UsageError(f"--court judges one Model, and the file has {names}", hint="give a file with one Model")
        finding = tried(
            Trial(
                fleet.served[0],
                trace,
                _window(trace, asked),
                COLD_START if asked.ways.cold_seconds is None else asked.ways.cold_seconds,
                copies=asked.copies,
                peak=asked.peak,
                policies=tuple(asked.policies),
                ablate=asked.ablate,
                seed=asked.seed,
            ),
            _Told(path.name),
        )
        found.append(finding)
        if not as_json:
            show_lines(finding_lines(finding, width()))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def finding_lines(of: Finding, columns: int) -> Iterator[str]:
    """What was played, what bounds it, and a row for each policy."""
    window = f"{span(of.seconds)} from {format_duration(of.start)} on" if of.start else span(of.seconds)
    limits = f"SLO TTFT {seconds(of.slo_ttft)}, TPOT {seconds(of.slo_itl)}"
    yield f"{Path(of.trace).name}: {window}, {of.copies:.3g} copies, {count(of.requests)} requests, seed {of.seed}"
    yield f"{of.model} on {of.hardware}; {limits}; cold start {seconds(of.cold_start)}"
    yield (
        f"a replica bears {count(of.prefill)} prompt tokens/s or {count(of.decode)} answer tokens/s, "
        f"{of.sequences:.0f} requests at once; {percent(of.hits)} of prompts cached; warm starts with {of.ready}"
    )
    bounds = of.bounds
    solved = f"deadline LP {bounds.deadline:.2f}" if bounds.deadline is not None else f"deadline LP {bounds.why}"
    yield (
        f"replica-hours at {percent(bounds.attained)}: work bound {bounds.work:.2f}, {solved}, "
        f"clairvoyant plan {bounds.plan:.2f} (peak {bounds.peak}; a plan, not a proven bound)"
    )
    yield ""
    yield from columns_lines("policy", _HEADS, [_row(each) for each in of.judged], columns)
    yield ""
    yield "frontier (share of capacity or replicas: replica-hours / inside the SLO)"
    for each in of.judged:
        points = "   ".join(f"{at.knob:g}: {at.hours:.2f} / {at.attained:.2%}" for at in each.points)
        yield f"  {each.name:<14}{points}"
    yield ""


_HEADS = ("knob", "hours", "inside", "/ plan", "p99 TTFT", "changes", "wasted", "cold: hours", "inside", "/ plan")


def _row(of: Judged) -> tuple[str, ...]:
    at, cold = of.chosen, of.cold
    start = ("-", "-", "-") if cold is None else (f"{cold.hours:.2f}", f"{cold.attained:.2%}", f"{of.cold_ratio:.2f}")
    inside = f"{of.attained:.2%}" if of.reaches else f"only {of.attained:.2%}"
    ratio = f"{of.ratio:.2f}"
    return (of.name, f"{at.knob:g}", f"{of.hours:.2f}", inside, ratio, seconds(at.wait_p99), str(at.operations),
            str(at.wasted), *start)  # fmt: skip


def _window(trace: Trace, asked: Asked) -> Window:
    """As asked; else an hour of ServeGen, the whole of another."""
    if trace.format == "servegen":
        return Window(
            _SERVEGEN.start if asked.start is None else asked.start,
            _SERVEGEN.seconds if asked.lasts is None else asked.lasts,
        )
    start = asked.start or 0.0
    if asked.lasts is not None:
        return Window(start, asked.lasts)
    last = start
    for call in trace.calls(start, float("inf"), asked.seed):
        last = call.at
    if last <= start:
        raise UsageError(f"{trace.name}: nothing to judge by", hint="give a trace that lasts longer")
    return Window(start, last - start + 1e-3)


class _Told:
    """One line on a terminal, rewritten; nothing elsewhere."""

    def __init__(self, name: str) -> None:
        self._name, self._shows = name, sys.stderr.isatty()

    def __call__(self, what: str) -> None:
        if self._shows:
            print(f"\r\x1b[K{self._name}: {what} … ", end="" if what else "\n", file=sys.stderr, flush=True)

"""What `headway simulate` does: the fleets that are compared, one after the other through the same traffic."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from headway.cli.bench_asked import Asked, workload_asked
from headway.cli.bench_table import show_lines, width
from headway.cli.simulate_fleet import FIXED, ROUTING, SCALERS, Ways, fleet_of, parse_fleet
from headway.cli.simulate_table import comparison_lines, outcome_lines
from headway.cli.target import FILES, read
from headway.engines.calibrations import fits, place
from headway.errors import UsageError
from headway.paths import StateDir
from headway.perf.traffic.planned import Traffic
from headway.perf.traffic.schedule import traffic
from headway.sim.capacity import lengths_of
from headway.sim.fleet import Faults
from headway.sim.measure.spans import Spans
from headway.sim.outcome import Outcome
from headway.sim.run import simulate
from headway.spec.fault import Fault, nearest
from headway.spec.units import parse_duration
from headway.spec.workload import Workload
from headway.wire.traces import trace_of

__all__ = ["Case", "Wanted", "run", "run_court"]

_HOUR = 3600.0
_FAULTS = ("death", "spot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options as they were given."""

    target: str | None = None
    trace: Path | None = None
    workload: str | None = None
    speed: str | None = None
    rate: str | None = None
    lasts: str | None = None
    fleet: str | None = None
    replicas: int | None = None
    policy: str = ""
    scaler: str = ""
    cold: bool = False
    cold_start: str | None = None
    faults: str | None = None
    slo: str | None = None
    config: Path | None = None
    seed: int = 0
    compare: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One of those that are compared. `name`: what is different in it."""

    name: str
    outcome: Outcome


def run(wanted: Wanted, *, as_json: bool, out: Path | None, timeline: Path | None, chrome_trace: Path | None) -> None:
    """Raises HeadwayError."""
    if chrome_trace is not None and wanted.compare:
        raise UsageError("--chrome-trace and --compare", hint="give one of the two: a trace is of one fleet")
    if out is not None:
        _folder(out)
    with _spans(chrome_trace) as spans:
        cases = [_case(each, name, spans) for name, each in _variants(wanted)]
    if as_json:
        print(_json(cases))
    else:
        lines = comparison_lines(cases, width()) if len(cases) > 1 else outcome_lines(cases[0].outcome, width())
        show_lines(lines)
    if out is not None:
        _write(out / "simulation.json", _json(cases) + "\n")
    for path in filter(None, (timeline, out and out / "timeline.html")):
        from headway.cli.simulate_page import page  # noqa: PLC0415 (it takes numpy)

        _write(path, page(cases))
    if spans is not None and spans.is_full:
        print(f"{chrome_trace}: only its first {spans.written:,} events are there", file=sys.stderr)


def run_court(
    wanted: Wanted, traces: Sequence[Path], *, start: str | None, copies: float | None, ablate: bool, as_json: bool
) -> None:
    """`wanted.compare`: the policies that are judged; none: all. Raises HeadwayError."""
    from headway.cli import simulate_court as court  # noqa: PLC0415 (one run needs none of it)

    court.run(
        court.Asked(
            target=wanted.target,
            traces=traces,
            ways=replace(_ways(wanted), replicas=1),
            start=None if start is None else _seconds("--from", start),
            lasts=None if wanted.lasts is None else _seconds("--for", wanted.lasts),
            copies=copies,
            policies=wanted.compare,
            ablate=ablate,
            seed=wanted.seed,
        ),
        as_json=as_json,
    )


def _variants(wanted: Wanted) -> Iterator[tuple[str, Wanted]]:
    yield wanted.policy or wanted.scaler or Path(wanted.target or "headway.yaml").name, wanted
    for each in wanted.compare:
        if each in ROUTING:
            yield each, replace(wanted, policy=each)
        elif each in SCALERS or each == FIXED:
            yield each, replace(wanted, scaler=each)
        elif Path(each).suffix in FILES or Path(each).is_file():
            yield Path(each).name, replace(wanted, target=each)
        else:
            known = [*ROUTING, *SCALERS, FIXED]
            meant = nearest(each, known)
            hint = f"did you mean {meant}?" if meant else f"a file, or one of {', '.join(known)}"
            raise UsageError(f"--compare: found {each!r}", hint=hint)


def _case(wanted: Wanted, name: str, spans: Spans | None) -> Case:
    if wanted.policy and wanted.policy not in ROUTING:
        meant = nearest(wanted.policy, ROUTING)
        hint = f"did you mean {meant}?" if meant else f"one of {', '.join(ROUTING)}"
        raise UsageError(f"--policy: found {wanted.policy!r}", hint=hint)
    objects, _, lines = read(wanted.target)
    own = [each for each in objects if isinstance(each, Workload)]
    workload = _workload(wanted, own)
    asked = _traffic(workload, wanted.seed)
    fleet = fleet_of(objects, lines, _ways(wanted), lambda: lengths_of(asked), workload.model or "")
    closed = workload.arrivals is not None and workload.arrivals.is_closed
    return Case(name, simulate(fleet, asked, seed=wanted.seed, closed=closed, spans=spans))


def _workload(wanted: Wanted, own: list[Workload]) -> Workload:
    if wanted.trace is None and wanted.workload is None and len(own) == 1 and not wanted.rate and not wanted.lasts:
        return own[0]
    return workload_asked(
        Asked(
            workload=wanted.workload, trace=wanted.trace, speed=wanted.speed, rate=wanted.rate, lasts=wanted.lasts,
            seed=wanted.seed,
        )
    )  # fmt: skip


def _traffic(workload: Workload, seed: int) -> Traffic:
    return traffic(workload, trace_of(workload), seed=seed)


def _ways(wanted: Wanted) -> Ways:
    return Ways(
        gpus=None if wanted.fleet is None else parse_fleet(wanted.fleet),
        replicas=wanted.replicas,
        policy=wanted.policy,
        scaler=wanted.scaler,
        cold=wanted.cold,
        cold_seconds=None if wanted.cold_start is None else _seconds("--cold-start", wanted.cold_start),
        config=wanted.config,
        slo={name: _seconds("--slo", value) for name, value in _pairs("--slo", wanted.slo, ("ttft", "itl"))},
        faults=_faults(wanted.faults),
        fits=fits(place(StateDir.default())),
    )


def _faults(text: str | None) -> Faults:
    hours = {name: _seconds("--faults", value) / _HOUR for name, value in _pairs("--faults", text, _FAULTS)}
    return Faults(death_hours=hours.get("death", 0.0), spot_hours=hours.get("spot", 0.0))


def _pairs(option: str, text: str | None, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """ttft=500ms,itl=50ms"""
    for each in text.split(",") if text else ():
        name, equals, value = each.strip().partition("=")
        if not equals or name not in names:
            raise UsageError(f"{option}: found {each.strip()!r}", hint=f"write {names[0]}=…, {names[1]}=…")
        yield name, value.strip()


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except Fault as fault:
        raise UsageError(f"{option}: {fault.message}", hint=fault.hint) from None


# what is written


def _json(cases: list[Case]) -> str:
    found: object = [{"name": each.name, **_plain(each.outcome)} for each in cases]
    if len(cases) == 1:
        found = _plain(cases[0].outcome)
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def _plain(outcome: Outcome) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(outcome)
    return plain


def _folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {out}: {error.strerror}", hint="name a folder that can be made") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}", hint="name a file in a folder") from None


@contextmanager
def _spans(path: Path | None) -> Iterator[Spans | None]:
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--chrome-trace {path}: {error.strerror}", hint="name a file in a folder") from None
    with file:
        spans = Spans(file)
        yield spans
        spans.close()

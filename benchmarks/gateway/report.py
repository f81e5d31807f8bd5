"""The figures as Markdown, which is what is printed and what goes into benchmarks/README.md. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.gateway.figures import Spread, by_round, differences, ratios, spread
from benchmarks.gateway.goals import GOALS, Goal, reached, seen_for
from benchmarks.gateway.launch import Launch
from benchmarks.gateway.observation import DIRECT, Observation
from benchmarks.gateway.validity import load_bound
from benchmarks.gateway.workloads import Workload

__all__ = ["Report", "aligned"]

PEER = "envoy"
"""The one that every row is compared with."""
DASH = "-"
FAULTS_TOLD = 20


@dataclass(frozen=True, slots=True)
class Report:
    seen: Sequence[Observation]
    workloads: Mapping[str, Workload]
    launches: Mapping[str, Launch]
    missing: Mapping[str, str]
    about: str
    """The machine, the rounds, the commit."""

    def markdown(self) -> str:
        parts = [self.about, self._requests(), self._streams(), self._goals(), self._noise(), self._set_up()]
        return "\n\n".join(part for part in (*parts, self._faults()) if part) + "\n"

    def cell(self, proxy: str, workload: str, figure: str, form: str = ",.0f") -> str:
        """The median with its range; where no run counts, why; where the load side was the limit, a lower bound."""
        runs = [each for each in self.seen if (each.proxy, each.workload) == (proxy, workload)]
        found = spread(by_round(self.seen, proxy, workload, figure).values()) if _has(runs, figure) else None
        if found is None:
            return "INVALID" if runs and all(each.fault for each in runs) else DASH
        bound = figure == "requests_per_second" and any(
            load_bound(each, self.workloads[workload]) for each in runs if not each.fault
        )
        return f"{'≥ ' if bound else ''}{found:{form}}"

    def against(self, proxy: str, peer: str, workload: str, figure: str) -> Spread | None:
        return ratios(by_round(self.seen, proxy, workload, figure), by_round(self.seen, peer, workload, figure))

    def _requests(self) -> str:
        names = [name for name in ("w1", "w2", "w400") if name in self.workloads]
        head = ["one core"]
        for name in names:
            title = self.workloads[name].title.partition(",")[0]
            head += [f"{title}: req/s", "x Envoy", "CPU µs/req", "p50 / p99 ms"]
        return (
            aligned([head, *([proxy, *self._request_cells(proxy, names)] for proxy in self.launches)]) if names else ""
        )

    def _request_cells(self, proxy: str, names: Sequence[str]) -> list[str]:
        cells = []
        for name in names:
            cells += [
                self.cell(proxy, name, "requests_per_second"),
                _or_dash(self.against(proxy, PEER, name, "requests_per_second"), ".2f"),
                self.cell(proxy, name, "cpu_us_per_request", ".1f") if proxy != DIRECT else DASH,
                self._pair(proxy, name, "latency"),
            ]
        return cells

    def _streams(self) -> str:
        columns: list[tuple[str, str, Callable[[str], str]]] = [
            ("s1", "1 ms: events/s", lambda proxy: self.cell(proxy, "s1", "events_per_second")),
            ("s1", "CPU µs/event", lambda proxy: self._own(proxy, "s1", "cpu_us_per_event", ".2f")),
            ("s1", "x Envoy", lambda proxy: self._own_ratio(proxy, "s1")),
            ("s1", "TTFT p50 / p99 ms", lambda proxy: self._pair(proxy, "s1", "ttft")),
            ("s1", "gap p99 ms", lambda proxy: self._median(proxy, "s1", "gap_p99")),
            ("s10", "10 ms: CPU µs/event", lambda proxy: self._own(proxy, "s10", "cpu_us_per_event", ".2f")),
            ("s10", "TTFT p50 / p99 ms", lambda proxy: self._pair(proxy, "s10", "ttft")),
            ("l1000", "1,000 req/s: added p50 ms", lambda proxy: self._added(proxy, "latency_p50")),
            ("l1000", "added p99 ms", lambda proxy: self._added(proxy, "latency_p99")),
            ("m1000", "PSS MiB, 1,000 streams", lambda proxy: self._own(proxy, "m1000", "pss_mib", ".0f")),
        ]
        shown = [(title, cell) for workload, title, cell in columns if workload in self.workloads]
        rows = [[proxy, *(cell(proxy) for _, cell in shown)] for proxy in self.launches]
        return aligned([["one core", *(title for title, _ in shown)], *rows]) if shown else ""

    def _own(self, proxy: str, workload: str, figure: str, form: str) -> str:
        return DASH if proxy == DIRECT else self.cell(proxy, workload, figure, form)

    def _own_ratio(self, proxy: str, workload: str) -> str:
        return DASH if proxy == DIRECT else _or_dash(self.against(proxy, PEER, workload, "cpu_us_per_event"), ".2f")

    def _median(self, proxy: str, workload: str, figure: str) -> str:
        runs = [each for each in self.seen if (each.proxy, each.workload) == (proxy, workload)]
        found = spread(by_round(self.seen, proxy, workload, figure).values()) if _has(runs, figure) else None
        return DASH if found is None else f"{found.median:.2f}"

    def _pair(self, proxy: str, workload: str, what: str) -> str:
        return " / ".join(self._median(proxy, workload, f"{what}_{part}") for part in ("p50", "p99"))

    def _added(self, proxy: str, figure: str) -> str:
        if proxy == DIRECT:
            return f"({self._median(DIRECT, 'l1000', figure)})"
        direct = by_round(self.seen, DIRECT, "l1000", figure)
        found = differences(by_round(self.seen, proxy, "l1000", figure), direct)
        return self.cell(proxy, "l1000", figure) if found is None else format(found, ".3f")

    def _goals(self) -> str:
        ours = [proxy for proxy in self.launches if proxy.startswith("headway")]
        rows = [["reach", "bound", *ours]]
        for goal in (goal for goal in GOALS if goal.workload in self.workloads):
            found = {proxy: seen_for(goal, self.seen, proxy) for proxy in ours}
            if any(found.values()):
                bound = f"{'at least' if goal.least else 'at most'} {goal.bound:g}"
                rows.append([goal.text, bound, *(_verdict(goal, each) for each in found.values())])
        return aligned(rows) if len(rows) > 1 else ""

    def _noise(self) -> str:
        """How much `direct`, which no proxy touches, moved between the rounds."""
        figures = {
            name: "events_per_second" if each.events else "requests_per_second" for name, each in self.workloads.items()
        }
        said = []
        for name, figure in figures.items():
            if self.workloads[name].rate or self.workloads[name].memory:
                continue
            if found := spread(by_round(self.seen, DIRECT, name, figure).values()):
                said.append(f"{name} {(found.high - found.low) / found.median:.0%}")
        return f"Noise of the machine (spread of `direct` over the rounds): {', '.join(said)}." if said else ""

    def _set_up(self) -> str:
        said = [
            f"- `{name}`: {each.version}{f' ({each.note})' if each.note else ''}"
            for name, each in self.launches.items()
        ]
        renders = {
            name: max((each.renders for each in self.seen if each.proxy == name), default=0.0) for name in self.launches
        }
        said += [
            f"- `{name}` has {most:.1f} renders made by the engines for a request"
            for name, most in renders.items()
            if most
        ]
        said += [f"- `{name}` is missing: {why}" for name, why in self.missing.items()]
        return "\n".join(said)

    def _faults(self) -> str:
        bad = [each for each in self.seen if each.fault]
        told = [f"- `{each.proxy}` {each.workload}, round {each.round + 1}: {each.fault}" for each in bad[:FAULTS_TOLD]]
        more = [f"- and {len(bad) - FAULTS_TOLD} more"] if len(bad) > FAULTS_TOLD else []
        return "\n".join([f"{len(bad)} of {len(self.seen)} runs do not count:", *told, *more]) if told else ""


def _has(runs: Sequence[Observation], figure: str) -> bool:
    """Whether these runs have the figure at all: a time that no run measured is no fault."""
    counting = [each for each in runs if not each.fault]
    return bool(counting) and (not figure.endswith(("_p50", "_p99")) or all(figure in each.times for each in counting))


def _or_dash(found: Spread | None, form: str) -> str:
    return DASH if found is None else format(found, form)


def _verdict(goal: Goal, found: Spread | None) -> str:
    return DASH if found is None else f"{found:.2f} {'reached' if reached(goal, found) else 'NOT reached'}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that can be read as it stands. The first column is text, the others are figures."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return f"| {' | '.join(cells)} |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(rows[0]), f"|{rule}|", *(line(row) for row in rows[1:])])

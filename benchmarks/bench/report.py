"""The tables, as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.bench.search import Found
from benchmarks.bench.seen import CASES, Seen
from benchmarks.gateway.figures import Spread, spread
from benchmarks.gateway.report import aligned

__all__ = ["Report"]

DASH = "-"
OURS = "headway"


@dataclass(frozen=True, slots=True)
class Report:
    """`tools`: name -> version, in the order of the rows; `missing`: name -> why."""

    seen: Sequence[Seen]
    found: Sequence[Found]
    tools: Mapping[str, str]
    missing: Mapping[str, str]
    about: str

    def markdown(self) -> str:
        tables = [self._known(), self._cost(), self._lag(), self._overload(), self._search()]
        return "\n\n".join(part for part in (self.about, *tables, self._set_up(), self._faults()) if part) + "\n"

    def over(self, tool: str, case: str, figure: Callable[[Seen], float | None]) -> Spread | None:
        """A figure over the rounds."""
        runs = (each for each in self.seen if (each.tool, each.case) == (tool, case) and not each.fault)
        return spread(value for each in runs if (value := figure(each)) is not None)

    def _cases(self, table: str) -> list[str]:
        done = {each.case for each in self.seen}
        return [name for name, case in CASES.items() if case.table == table and name in done]

    def _known(self) -> str:
        cases = self._cases("known")
        if not cases:
            return ""
        head = ["error of the figure, ms"]
        for case in cases:
            head += [f"{case}: TTFT p50", "ITL mean"]
        rows = [head]
        for tool in self.tools:
            row = [tool]
            for case in cases:
                row += [
                    _cell(self.over(tool, case, _ttft_error), "+.2f"),
                    _cell(self.over(tool, case, _itl_error), "+.2f"),
                ]
            rows.append(row)
        return f"Known latencies (TTFT 50 ms, 10 ms a token), against the server's own log:\n\n{aligned(rows)}"

    def _cost(self) -> str:
        cases = [case for case in ("stream", "whole") if case in self._cases("cost")]
        if not cases:
            return ""
        head = ["CPU ms a request"]
        for case in cases:
            head += [f"{case}: all", "each further", "x headway"]
        rows = [[*head, "start-up, s"]]
        for tool in self.tools:
            row = [tool]
            for case in cases:
                more = self._marginal(tool, case)
                row += [
                    _cell(self.over(tool, case, lambda each: each.cpu_each * 1000), ".2f"),
                    _cell(more, ".2f"),
                    _times(more, self._marginal(OURS, case)),
                ]
            rows.append([*row, _cell(self.over(tool, cases[0], lambda each: each.begin), ".2f")])
        return f"What a request costs (200/s, one core for the tool), and how long until its first:\n\n{aligned(rows)}"

    def _marginal(self, tool: str, case: str) -> Spread | None:
        """Milliseconds of CPU that one request more takes: start-up and end are in both runs of a round."""
        runs = {(each.case, each.round): each for each in self.seen if each.tool == tool and not each.fault}
        pairs = [
            (many, runs[f"{case}, few", number])
            for (name, number), many in runs.items()
            if name == case and (f"{case}, few", number) in runs
        ]
        return spread(
            1000 * (many.cpu - few.cpu) / (many.truth.requests - few.truth.requests)
            for many, few in pairs
            if many.truth and few.truth and many.truth.requests > few.truth.requests
        )

    def _lag(self) -> str:
        cases = [case for case in ("stream", "whole") if case in self._cases("cost")]
        if not cases:
            return ""
        head = ["asked 200/s, even"]
        for case in cases:
            head += [f"{case}: came at, 1/s", "late p50, ms", "late p99, ms"]
        rows = [head]
        for tool in self.tools:
            row = [tool]
            for case in cases:
                row += [
                    _cell(self.over(tool, case, lambda each: each.truth and each.truth.rate), ".1f"),
                    _cell(self.over(tool, case, lambda each: each.truth and each.truth.lag_p50 * 1000), ".2f"),
                    _cell(self.over(tool, case, lambda each: each.truth and each.truth.lag_p99 * 1000), ".2f"),
                ]
            rows.append(row)
        return f"When requests came to the server, against the schedule:\n\n{aligned(rows)}"

    def _overload(self) -> str:
        rows = [
            ["asked 20/s, it serves 8/s", "says: TTFT p50", "p99", "inside 200 ms", "true wait p50", "p99", "inside"]
        ]
        words = []
        for case in self._cases("overload"):
            for each in (each for each in self.seen if each.case == case and each.told and each.truth):
                told, true, name = each.told, each.truth, f"{each.tool}, {case}"
                if told is None or true is None:
                    continue
                says = (_seconds(told.ttft_p50), _seconds(told.ttft_p99), _share(told.good))
                rows.append([name, *says, _seconds(true.waited_p50), _seconds(true.waited_p99), _share(true.good)])
                words.append(f"- `{name}`: {told.words or '(no word of it)'}")
        if len(rows) == 1:
            return ""
        said = "\n".join(words)
        return f"An overloaded server; true waits are from when the request was due:\n\n{aligned(rows)}\n\n{said}"

    def _search(self) -> str:
        if not self.found:
            return ""
        rows = [["--find-max", "true, 1/s", "found, 1/s", "interval", "error", "load, s", "stages"]]
        for each in self.found:
            interval = f"{each.low:.1f} to {each.high:.1f}"
            error = f"{each.rate / each.true - 1:+.1%}"
            rows.append(
                [
                    each.name,
                    f"{each.true:.1f}",
                    f"{each.rate:.1f}",
                    interval,
                    error,
                    f"{each.load:.0f}",
                    str(each.stages),
                ]
            )
        return f"The highest rate with 95 % inside TTFT 300 ms:\n\n{aligned(rows)}"

    def _set_up(self) -> str:
        said = [f"- `{name}`: {version}" for name, version in self.tools.items()]
        return "\n".join([*said, *(f"- `{name}` is missing: {why}" for name, why in self.missing.items())])

    def _faults(self) -> str:
        bad = [
            f"- `{each.tool}`, {each.case}, round {each.round + 1}: {each.fault}" for each in self.seen if each.fault
        ]
        return "\n".join(["Runs without figures:", *bad]) if bad else ""


def _ttft_error(each: Seen) -> float | None:
    if each.truth is None or each.told is None or each.told.ttft_p50 is None:
        return None
    return (each.told.ttft_p50 - each.truth.ttft) * 1000


def _itl_error(each: Seen) -> float | None:
    if each.truth is None or each.told is None or each.told.itl is None:
        return None
    return (each.told.itl - each.truth.itl) * 1000


def _cell(found: Spread | None, form: str) -> str:
    return DASH if found is None else format(found, form)


def _times(found: Spread | None, ours: Spread | None) -> str:
    return DASH if found is None or ours is None or ours.median <= 0 else f"{found.median / ours.median:.1f}"


def _seconds(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f} s"


def _share(value: float | None) -> str:
    return DASH if value is None else f"{value:.0%}"

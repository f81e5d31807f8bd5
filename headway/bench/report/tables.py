"""Tables and lists of the report as HTML; every word from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from headway.bench.readable import count, each_second
from headway.bench.schema import Figures, Finding, Formula, Part, Slo, Summary
from headway.bench.telling import NAMELESS, PERCENTILES, cell, facts, latencies, share_inside

__all__ = ["findings", "formulas", "latency_table", "part_table", "plain_table", "tiles", "words"]


def tiles(summary: Summary) -> str:
    """The five figures that people look for first."""
    whole = summary.whole
    first = whole.latency.ttft_sched if whole.latency.ttft_sched.count else whole.latency.e2e_sched
    name = "TTFT" if whole.latency.ttft_sched.count else "E2E"
    asked = "" if whole.rate.asked is None else f" of {each_second(whole.rate.asked)} asked"
    found = [
        (each_second(whole.rate.answered), f"answered{asked}"),
        (cell(first, "p50"), f"{name} p50, from due"),
        (cell(first, "p99"), f"{name} p99, from due"),
        (f"{count(whole.tokens.output_rate)}/s", "output tokens"),
    ]
    if whole.goodput is not None:
        found.insert(1, (share_inside(whole), "inside the SLO"))
    inner = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(told)}</span></div>' for value, told in found
    )
    return f'<div class="tiles">{inner}</div>'


def latency_table(figures: Figures, limits: list[Slo]) -> str:
    rows = latencies(figures, limits)
    body = [
        [
            f"{escape(row.name)}<br><small>{escape(row.about)}</small>",
            *(escape(cell(row.of, each)) for each in PERCENTILES),
            escape(row.inside),
        ]
        for row in rows
    ]
    has_limits = any(row.inside for row in rows)
    heads = ["", *PERCENTILES, *(["inside the SLO"] if has_limits else [])]
    return _table(heads, [row if has_limits else row[:-1] for row in body])


def part_table(name: str, found: Sequence[Part]) -> str:
    body = [
        [
            escape(part.name or NAMELESS),
            count(part.figures.requests.due),
            count(part.figures.requests.failed),
            *(escape(cell(part.figures.latency.ttft_sched, each)) for each in ("p50", "p90", "p99")),
            escape(cell(part.figures.latency.tpot, "p50")),
            *(escape(cell(part.figures.latency.e2e_sched, each)) for each in ("p50", "p99")),
            share_inside(part.figures),
            f"{count(part.figures.tokens.output_rate)}/s",
        ]
        for part in found
    ]
    heads = [
        name,
        "requests",
        "failed",
        "TTFT p50",
        "p90",
        "p99",
        "TPOT p50",
        "E2E p50",
        "p99",
        "inside",
        "output tokens",
    ]
    return _table(heads, body)


def plain_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return _table([escape(each) for each in heads], [[escape(each) for each in row] for row in rows])


def words(summary: Summary) -> str:
    """Rate, goodput, tokens, requests, generator: as on the terminal."""
    inner = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(' · '.join(phrases))}</dd>" for name, phrases in facts(summary)
    )
    return f'<div class="card"><dl>{inner}</dl></div>'


def findings(found: Sequence[Finding]) -> str:
    """What the server counted beside what we did."""
    mark = {True: ("good", "agrees"), False: ("bad", "does not agree"), None: ("muted", "cannot be told")}
    inner = "".join(
        f'<li><span class="{mark[each.agrees][0]}">{mark[each.agrees][1]}</span>: {escape(each.text)}</li>'
        for each in found
    )
    return f'<div class="card"><ul>{inner}</ul></div>'


def formulas(found: dict[str, Formula]) -> str:
    inner = "".join(
        f"<dt>{escape(each.name)} ({escape(each.unit)})</dt><dd><code>{escape(each.formula)}</code><br>"
        f'<span class="muted">{escape(each.of)}</span></dd>'
        for each in found.values()
    )
    return f'<div class="card"><dl>{inner}</dl></div>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Cells are HTML already. The first column is the row's head."""
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{each}</td>" for each in row[1:])}</tr>' for row in rows
    )
    return f'<div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'

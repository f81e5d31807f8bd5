"""A plan on the terminal: what was asked, the table, why the first and why not the cheaper ones, and of the first all
that its figures rest on."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from math import isinf

from headway.bench.readable import count, each_second, percent
from headway.cli.plan_asked import Plan
from headway.perf.plan.choice import Choice, Refused
from headway.perf.plan.cold_start import SOURCE
from headway.perf.plan.goal import Felt
from headway.perf.plan.nearest import Way
from headway.perf.plan.settled import REQUESTS
from headway.perf.plan.split import NEEDS, Pair
from headway.perf.plan.told import FIGURES, seconds
from headway.perf.plan.written import options
from headway.perf.prediction import Band

__all__ = ["cheaper", "named", "plan_lines"]

LABEL = 10
NARROWEST = 60
MOST_REFUSED = 8
HOURS_A_MONTH = 730
MEASURED = "measured here"
"""How the source of an accelerator says that a calibration changed it."""
HEAD = ("GPU", "WEIGHTS", "SPLIT", "REPLICAS", "GPUS", "$/H", "$/1M", "TTFT P95", "ITL P95", "TOK/S", "WHY")
_QUALITY = {"published": "16 bits", "8bit": "8 bits", "4bit": "4 bits"}
_LEFT = (0, 1, 2, 10)
"""Columns of words."""


def plan_lines(plan: Plan, top: int) -> Iterator[str]:
    """For people; as wide as the terminal, in a pipe as wide as they read well."""
    columns = max(NARROWEST, shutil.get_terminal_size((120, 24)).columns) if sys.stdout.isatty() else 120
    yield f"{plan.model.name}: {plan.facts.name} on {plan.place.about}"
    yield from _said("asked", _asked(plan), columns)
    yield from _said("limits", _limits(plan), columns)
    pick = plan.pick
    if not plan.is_kept:
        yield ""
        yield from _said("cannot", _cannot(plan), columns)
        for way in plan.ways:
            yield from _said("would", [_way(way, plan)], columns)
    if pick is not None:
        yield ""
        yield from _table(plan, top)
        yield ""
        yield from _pick(plan, pick, columns)
    for line in cheaper(plan):
        yield from _said("not", [line], columns)
    for other in plan.found.others[:1]:
        if pick is None or other.per_hour < pick.per_hour:
            yield from _said("not", [_other(other, plan)], columns)
    for pair in plan.pairs:
        yield from _said("would", [_pair(pair, plan)], columns)


def _asked(plan: Plan) -> list[str]:
    demand, lengths = plan.demand, plan.demand.lengths
    if demand.closed:
        load = f"{demand.peak:,.4g} callers that wait ({demand.origin})"
    else:
        load = f"{each_second(demand.peak)} at the peak"
        load += f" ({demand.window:g} s of {demand.origin})" if demand.window else f" ({demand.origin})"
        load += f", {each_second(demand.mean)} on average" if demand.mean != demand.peak else ""
    most = plan.facts.architecture.context
    cut = [f"up to {count(lengths.longest)} together, of which the model takes {count(most)}"]
    found = f"; {percent(lengths.cached / lengths.prompt)} begins an earlier one" if lengths.cached >= 1 else ""
    return [
        load,
        f"prompts of {count(lengths.prompt)} tokens (p95 {count(lengths.prompt_p95)}{found})",
        f"answers of {count(lengths.output)} (p95 {count(lengths.output_p95)})",
        *(cut if 0 < most < lengths.longest else []),
    ]


def _limits(plan: Plan) -> list[str]:
    limits = [f"{FIGURES[name]} {seconds(limit)}" for name, limit in plan.goal.limits.items()]
    careful = [f"head-room {percent(plan.terms.head_room)}"] + (["N+1"] if plan.terms.n_plus_1 else [])
    return [*(limits or ["none: whatever keeps up with the load"]), *careful]


def _table(plan: Plan, top: int) -> Iterator[str]:
    pick = plan.pick
    assert pick is not None  # noqa: S101
    rows = [_row(choice, plan, pick) for choice in plan.found.choices[:top]]
    head = [each.replace("$", plan.place.currency) if plan.place.currency != "USD" else each for each in HEAD]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for number, row in enumerate([head, *rows]):
        cells = [
            cell.ljust(width) if column in _LEFT else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"{number or '':>2}  {'  '.join(cells)}".rstrip()


def _row(choice: Choice, plan: Plan, pick: Choice) -> list[str]:
    lengths = plan.demand.lengths
    requests = choice.felt.requests * choice.replicas.all if plan.demand.closed else plan.demand.peak
    return [
        choice.offer.name,
        (choice.checkpoint.expert_weights or choice.checkpoint.weights).replace("_block", "")
        + (" kv fp8" if choice.setting.kv == "fp8" else ""),
        str(choice.layout),
        str(choice.replicas.all),
        str(choice.gpus),
        f"{choice.per_hour:,.2f}",
        _money(choice.per_million),
        _band(choice.felt.ttft_p95),
        _band(choice.felt.itl_p95),
        count(requests * (lengths.prompt + lengths.output)),
        _why(choice, pick),
    ]


def _why(choice: Choice, pick: Choice) -> str:
    if choice.missed is not None:
        return f"{FIGURES.get(choice.missed.figure, 'load')} is missed"
    if choice is pick:
        return "the cheapest that keeps the limits"
    if choice.per_hour == pick.per_hour:
        return f"as dear, {_lesser(choice, pick)}"
    return f"{choice.per_hour / pick.per_hour:.2f} x the price"


def _lesser(choice: Choice, pick: Choice) -> str:
    if choice.gpus > pick.gpus:
        return "more GPUs"
    if choice.quality != pick.quality:
        return f"weights of {_QUALITY[choice.quality]}"
    return "later tokens"


def _pick(plan: Plan, pick: Choice, columns: int) -> Iterator[str]:
    yield from _said("pick", _picked(plan, pick), columns)
    yield from _said("each", _each(plan, pick), columns)
    if pick.reckoned is not None:
        yield from _said("played", [_played(plan, pick.reckoned)], columns)
    yield from _said("memory", _memory(pick), columns)
    starts = pick.cold_start
    start = (
        f"in {starts.seconds:.0f} s: {starts.load:.0f} s for weights, {starts.start:.0f} s for the engine ({SOURCE})"
    )
    yield from _said("starts", [start], columns)
    if way := weights_there(plan):
        yield from _said("weights", [way], columns)
    flags = [f"{key} {value}" if value is not True else key for key, value in options(pick).items()]
    yield from _said("engine", [f"{pick.setting.engine}: {', '.join(flags)}"], columns)
    source = pick.offer.accelerator.source
    measured = [f"speed: {source[source.index(MEASURED) :]}"] if MEASURED in source else []
    rests_on = [f"constants: {pick.fitted_on}", *measured, f"price: {pick.offer.priced}"]
    yield from _said("from", [*rests_on, f"shape: {plan.facts.read_from}"], columns)


def weights_there(plan: Plan) -> str:
    """How the weights reach the pods of a live cluster, and why so; empty elsewhere."""
    if plan.place.cluster is None:
        return ""
    from headway.cli.plan_cluster import weights_on  # noqa: PLC0415

    return weights_on(plan.model, plan.place.cluster)


def _picked(plan: Plan, pick: Choice) -> list[str]:
    money = plan.place.currency
    replicas = pick.replicas
    many = "replica" if replicas.all == 1 else "replicas"
    made = [f"{replicas.needed} for the load"]
    made += (
        [f"{replicas.preempted} for preemptions ({percent(replicas.away)} of the time away)"]
        if replicas.preempted
        else []
    )
    made += ["1 so that any may fail"] if replicas.spare else []
    of = f" ({', '.join(made)})" if len(made) > 1 else ""
    cost = f"{pick.per_hour:,.2f} {money}/h ({pick.per_hour * HOURS_A_MONTH:,.0f} a month)"
    return [
        f"{replicas.all} {many}{of} of {named(pick)}",
        cost,
        f"{_money(pick.per_million)} {money} for 1M tokens, prompts and answers, at the mean load",
        f"of that {_money(pick.per_hour * pick.idle)} {money}/h ({percent(pick.idle)}) for what stands idle",
    ]


def named(choice: Choice) -> str:
    split = f" {choice.layout}" if choice.layout.accelerators > 1 else ""
    kv = ", keys and values fp8" if choice.setting.kv == "fp8" else ""
    return f"{choice.offer.name}{split}, {_weights(choice)}{kv}"


def _weights(choice: Choice) -> str:
    """fp8 weights as published; fp8 weights (8 bits, quantised as they load)"""
    checkpoint = choice.checkpoint
    dtype = (checkpoint.expert_weights or checkpoint.weights).removesuffix("_block")
    if checkpoint.quality == "published":
        return f"{dtype} weights as published"
    by = "quantised as they load" if checkpoint.online else f"of {checkpoint.source}"
    return f"{dtype} weights ({_QUALITY[checkpoint.quality]}, {by})"


def _each(plan: Plan, pick: Choice) -> list[str]:
    felt, unit = pick.felt, " callers" if plan.demand.closed else ""
    bears = f"{pick.capacity:.3g}{unit}" if plan.demand.closed else each_second(pick.capacity)
    said = [
        f"bears {bears} within the limits" if pick.capacity else "bears nothing within the limits",
        f"at the peak TTFT p50 {_band(felt.ttft_p50)}, p95 {_band(felt.ttft_p95)}",
        f"ITL p50 {_band(felt.itl_p50)}, p95 {_band(felt.itl_p95)}",
        f"{felt.running:.0f} requests at once",
    ]
    over = [
        f"{FIGURES[name]} may be {seconds(band.high)}, over {seconds(limit)}"
        for name, limit, band in (("ttft", plan.goal.ttft, felt.ttft_p95), ("itl", plan.goal.itl, felt.itl_p95))
        if limit is not None and band.value <= limit < band.high
    ]
    return [*said, *over]


def _played(plan: Plan, reckoned: Felt) -> str:
    return (
        f"so counted on {REQUESTS:,} requests of {plan.demand.origin}, played through one replica of the simulator; "
        f"the formulas, as in the rows below, say TTFT p95 {seconds(reckoned.ttft_p95.value)}, "
        f"ITL p95 {seconds(reckoned.itl_p95.value)}"
    )


def _memory(pick: Choice) -> list[str]:
    memory = pick.memory
    return [
        f"{_gb(memory.total)} on each {pick.offer.accelerator.name}: {_gb(memory.weights)} weights",
        f"{_gb(memory.kv)} keys and values ({memory.kv_tokens:,} tokens a replica, {memory.sequences:,} requests)",
        f"{_gb(memory.engine)} the engine's own",
        f"{_gb(memory.left)} left free",
    ]


def _cannot(plan: Plan) -> list[str]:
    """The number that decided, and where it was nearest."""
    pick, nearest = plan.pick, plan.found.nearest
    if pick is not None and pick.missed is not None:
        miss = pick.missed
        what = "more requests come than it bears" if isinf(miss.value) else (
            f"{FIGURES[miss.figure]} is {seconds(miss.value)}, the limit {seconds(miss.limit)}")  # fmt: skip
        return [f"the limits cannot be kept by what the file fixes: {what}"]
    if nearest is None:
        return ["nothing that the file asks for is there"]
    if nearest.miss is None:
        return [f"the limits cannot be kept: {_refused(nearest)}"]
    prompt = count(plan.demand.lengths.prompt_p95)
    if nearest.miss.figure == "ttft":
        return [
            f"SLO cannot be met: at {prompt} tokens of prompt the prefill alone takes {seconds(nearest.prefill)} on "
            f"{_where(nearest)}, the nearest; the limit is {seconds(nearest.miss.limit)}"
        ]
    return [
        f"SLO cannot be met: {FIGURES[nearest.miss.figure]} is {seconds(nearest.miss.value)} for one request alone on "
        f"{_where(nearest)}, the nearest; the limit is {seconds(nearest.miss.limit)}"
    ]


def _way(way: Way, plan: Plan) -> str:
    choice = way.choice
    limits = ""
    if way.goal != plan.goal:
        limits = " (" + ", ".join(f"{FIGURES[name]} {seconds(value)}" for name, value in way.goal.limits.items()) + ")"
    many = choice.replicas.all
    felt = f"TTFT p95 {seconds(choice.felt.ttft_p95.value)}, ITL p95 {seconds(choice.felt.itl_p95.value)}"
    return f"{way.change}{limits}: {many} x {named(choice)}: {felt}, {choice.per_hour:,.2f} {plan.place.currency}/h"


def cheaper(plan: Plan) -> Sequence[str]:
    """What costs less for one replica than the pick for all; without a pick, all. The nearest first; what has the same
    reason on one line, and of slices that are too small for the weights only the largest."""
    limit = plan.pick.per_hour if plan.pick is not None and plan.is_kept else float("inf")
    found = [each for each in plan.found.refused if each.least < limit]
    lines: dict[str, list[str]] = {}
    cut: set[str] = set()
    for each in sorted(found, key=lambda each: (each.near, each.least)):
        whole = each.offer.accelerator.cut_from
        if whole not in cut or each.miss is not None:
            lines.setdefault(each.why, []).append(_where(each))
        if whole and each.miss is None:
            cut.add(whole)
    return [f"{', '.join(names)}: {why}" for why, names in lines.items()][:MOST_REFUSED]


def _where(refused: Refused) -> str:
    layout = f" {refused.layout}" if refused.layout is not None and refused.layout.accelerators > 1 else ""
    return f"{refused.offer.name}{layout}"


def _refused(refused: Refused) -> str:
    return f"{_where(refused)}: {refused.why}"


def _other(choice: Choice, plan: Plan) -> str:
    less = "--quality 4bit" if choice.quality == "4bit" else "--quality 8bit"
    return (
        f"{choice.replicas.all} x {named(choice)} for {choice.per_hour:,.2f} {plan.place.currency}/h: {less} lets it "
        "be picked, after your own check of its answers"
    )


def _pair(pair: Pair, plan: Plan) -> str:
    felt = f"TTFT p95 {seconds(pair.ttft_p95)}, ITL p95 {seconds(pair.itl_p95)}"
    return (
        f"{pair.prefill} for prompts and {pair.decode} for answers of {named(pair.choice)}: {felt}, "
        f"{pair.per_hour:,.2f} {plan.place.currency}/h; it needs {NEEDS}"
    )


def _band(band: Band) -> str:
    """270 ms (130-540)"""
    if isinf(band.value):
        return "never"
    scale, unit = (1.0, "s") if band.value >= 0.9995 else (1000.0, "ms")
    places = 2 if unit == "s" and band.value < 9.995 else 1 if band.value * scale < 9.95 else 0
    low, value, high = (f"{each * scale:.{places}f}" for each in (band.low, band.value, band.high))
    return f"{value} {unit} ({low}-{high})"


def _money(amount: float) -> str:
    return "-" if isinf(amount) else f"{amount:,.2f}" if amount >= 0.1 or not amount else f"{amount:.3f}"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size < 9.95e9 else f"{size / 1e9:.0f} GB"


def _said(label: str, phrases: Sequence[str], columns: int) -> Iterator[str]:
    """Phrases after a label, broken between words where the line is full."""
    yield from textwrap.wrap(
        f"{label:<{LABEL}}{'; '.join(phrases)}", columns, subsequent_indent=" " * LABEL, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip

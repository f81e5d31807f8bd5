"""The tables that docs/performance.md publishes: errors of rows that were left out, by what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import exp, expm1
from statistics import fmean, median

from headway.perf.bands import FEW, KINDS
from headway.perf.constants import Bands, Constants, Spread
from headway.perf.fit.check import Left
from headway.perf.fit.older import Carried
from headway.perf.fit.operations import Operation
from headway.perf.fit.spreads import spreads

__all__ = ["tables", "told_of"]

PEERS = "aiconfigurator 0.12 on the same sample, its own operation tables, H100: TPOT 12.6 %, TTFT 51.7 % (624 rows)"


def told_of(
    found: Iterable[Operation], carried: Iterable[tuple[str, float, float]], older: Iterable[Carried]
) -> Iterator[str]:
    yield "operations alone, A100 and H100, constants of the same formula:"
    for each in found:
        values = ", ".join(f"{name} {value:.3g}" for name, value in each.values.items())
        how = f"median error {each.misses:5.1%}" if each.misses else "medians"
        yield f"  {each.name:24} {each.rows:5} rows, {how}: {values}"
    for name, other, own in carried:
        yield f"  {name:24} on A100 by H100's constants: median error {other:5.1%}; by its own {own:5.1%}"
    for of in older:
        yield (
            f"  an older engine, {of.model} TP{of.tensor}: measured over predicted on A100 and H100 "
            f"{of.prompt[0]:.2f} and {of.prompt[1]:.2f} of a prompt, {of.token[0]:.2f} and {of.token[1]:.2f} of a token"
        )


def tables(left: Sequence[Left], by: Constants) -> Iterator[str]:
    lanes = sorted({each.sample.row.lane for each in left})
    yield f"fitted on {by.rows} rows: {by.source}"
    yield from _table([(kind, lane) for kind in KINDS for lane in lanes], left, by)
    yield ""
    yield from _unseen(left)
    yield ""
    yield "new-model, each one left out:"
    yield from _each(left, "new-model", by)
    yield ""
    yield "new-accelerator, each one left out:"
    yield from _each(left, "new-accelerator", by)
    yield f"best peer: {PEERS}"


HEAD = f"{'left out':16} {'rows of':24} {'rows':>5}  {'TPOT mean':>9} {'median':>7} {'inside':>7} {'width':>6}" + (
    f"  {'TTFT mean':>9} {'median':>7} {'inside':>7} {'width':>6}"
)


def _table(groups: Sequence[tuple[str, str]], left: Sequence[Left], by: Constants) -> Iterator[str]:
    yield HEAD
    for kind, lane in groups:
        found = [each for each in left if each.kind == kind and each.sample.row.lane == lane]
        if found:
            yield _line(kind, lane, found, by)


def _unseen(left: Sequence[Left]) -> Iterator[str]:
    """Whether bands hold rows that they were not made from: those of a model by the residuals of all other models,
    those of an accelerator by the residuals of the others; as served, so wider by FEW where something is new."""
    for what in ("model", "accelerator"):
        held: dict[tuple[str, str], list[tuple[bool, bool, float, float]]] = {}
        for name in sorted({getattr(each.sample, what) for each in left}):
            known = Bands(spreads([each for each in left if getattr(each.sample, what) != name]))
            for each in left:
                if getattr(each.sample, what) == name:
                    held.setdefault((each.kind, each.sample.row.lane), []).append(_held(known, each))
        yield f"inside bands that are made from the rows of all other {what}s:"
        for (kind, lane), found in sorted(held.items(), key=lambda each: (KINDS.index(each[0][0]), each[0][1])):
            tpot, ttft = (fmean(each[i] for each in found) for i in (0, 1))
            widths = [median(each[i] for each in found) for i in (2, 3)]
            yield (
                f"{kind:16} {lane:24} {len(found):5}  TPOT {tpot:6.1%} {widths[0]:6.2f}x"
                f"  TTFT {ttft:6.1%} {widths[1]:6.2f}x"
            )


def _held(known: Bands, each: Left) -> tuple[bool, bool, float, float]:
    """Whether TPOT and TTFT are inside, and how wide the bands are."""
    wider = 1.0 if each.kind == KINDS[0] else FEW
    tpot, ttft = (_spread(known, figure, each) for figure in ("tpot", "ttft"))
    inside = [of.low * wider <= miss <= of.high * wider for of, miss in ((tpot, each.tpot), (ttft, each.ttft))]
    widths = [exp((of.high - of.low) * wider) for of in (tpot, ttft)]
    return inside[0], inside[1], widths[0], widths[1]


def _each(left: Sequence[Left], kind: str, by: Constants) -> Iterator[str]:
    yield HEAD
    found = [each for each in left if each.kind == kind]
    for key in sorted({_key(each) for each in found}):
        yield _line(key[0], f"{key[1]} {key[2]}", [each for each in found if _key(each) == key], by)


def _key(each: Left) -> tuple[str, str, str]:
    row = each.sample.row
    name = row.model.rsplit("/", 1)[-1] if each.kind == "new-model" else row.system
    return name[:16], row.engine, row.lane


def _line(name: str, of: str, found: Sequence[Left], by: Constants) -> str:
    tpot = _figures([each.tpot for each in found], [_spread(by.bands, "tpot", each) for each in found])
    ttft = _figures([each.ttft for each in found], [_spread(by.bands, "ttft", each) for each in found])
    return f"{name:16} {of:24} {len(found):5}  {tpot}  {ttft}"


def _figures(misses: Sequence[float], bands: Sequence[Spread]) -> str:
    """Absolute errors in per cent of what was measured, and how the bands hold."""
    errors = [abs(expm1(-each)) for each in misses]
    inside = fmean(each.low <= miss <= each.high for miss, each in zip(misses, bands, strict=True))
    width = median(exp(each.high - each.low) for each in bands)
    return f"{fmean(errors):9.1%} {median(errors):7.1%} {inside:7.1%} {width:5.2f}x"


def _spread(bands: Bands, figure: str, each: Left) -> Spread:
    engine, lane = each.sample.settings[0].engine, each.sample.row.lane
    found = bands.spreads
    near = found.get(f"{figure}/{lane}/{engine}/{each.kind}") or found.get(f"{figure}/{lane}/any/{each.kind}")
    return near or found.get(f"{figure}/{lane}") or found[figure]

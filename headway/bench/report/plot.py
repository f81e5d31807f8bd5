"""A plot as HTML: lines in an SVG that stretches, words around it that do not, so that a phone shows readable ones.

Nothing here is computed in the browser. Everything that comes from outside (names of models, tenants, messages) is
escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from headway.bench.report.scale import Scale

__all__ = ["Band", "Mark", "Plot", "Series", "Tone", "draw"]

SIDE = 1000
"""Of the SVG's own square, which the page stretches as wide and high as it wants."""

DOTTED = ("dots", "points")
"""Shapes without a line: many, and few that are large."""

Tone = Literal["accent", "good", "warn", "bad", "muted"]


@dataclass(frozen=True, slots=True)
class Series:
    """`points` in the order of x; a nan in y is a gap. `told`: its figure, for the legend."""

    name: str
    points: Sequence[tuple[float, float]]
    tone: Tone = "accent"
    shape: Literal["line", "steps", "dots", "points"] = "line"
    dashed: bool = False
    told: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of x that is shaded, with a word in it."""

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across at one value of x, or of y."""

    name: str
    at: float
    axis: Literal["x", "y"] = "x"
    tone: Tone = "bad"


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    x: Scale
    y: Scale
    series: Sequence[Series]
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    note: str = ""
    tall: bool = False
    spoken: str = field(default="")


def draw(plot: Plot) -> str:
    """A <figure>."""
    keys = "".join(_key(each) for each in plot.series if each.name)
    inner = "".join(
        [*_grid(plot), *(_line(each, plot) for each in plot.series), *(_mark(each, plot) for each in plot.marks)]
    )
    spoken = escape(plot.spoken or f"{plot.title}: {', '.join(f'{each.name} {each.told}' for each in plot.series)}")
    return (
        f'<figure><figcaption><span class="title">{escape(plot.title)}</span>{keys}</figcaption>'
        f'<div class="frame{" tall" if plot.tall else ""}">'
        f'<div class="ys">{"".join(_y_label(each, plot.y) for each in plot.y.ticks())}</div>'
        f'<div class="area">{"".join(_band(each, plot.x) for each in plot.bands)}'
        f'<svg viewBox="0 0 {SIDE} {SIDE}" preserveAspectRatio="none" role="img" aria-label="{spoken}">{inner}</svg>'
        f"{''.join(_mark_label(each, plot) for each in plot.marks)}</div>"
        f'<div class="xs">{_x_labels(plot.x)}</div></div>'
        + (f'<p class="note">{escape(plot.note)}</p>' if plot.note else "")
        + "</figure>"
    )


def _grid(plot: Plot) -> Iterable[str]:
    for value in plot.y.ticks():
        y = _down(plot.y, value)
        yield f'<path class="grid" d="M0 {y}H{SIDE}"/>'


def _line(series: Series, plot: Plot) -> str:
    kind = f"{series.shape} {series.tone}{' dashed' if series.dashed else ''}"
    return f'<path class="{kind}" d="{_path(series, plot)}"/>'


def _path(series: Series, plot: Plot) -> str:
    """Points that would fall upon the one before are left out: the file is to be small."""
    written: list[str] = []
    before: tuple[int, int] | None = None
    for x, y in series.points:
        if math.isnan(y) or math.isnan(x):
            before = None
            continue
        point = _across(plot.x, x), _down(plot.y, y)
        if point == before:
            continue
        if series.shape in DOTTED:
            written.append(f"M{point[0]} {point[1]}h0")
        elif before is None:
            written.append(f"M{point[0]} {point[1]}")
        elif series.shape == "steps":
            written.append(f"H{point[0]}V{point[1]}")
        else:
            written.append(f"L{point[0]} {point[1]}")
        before = point
    return "".join(written)


def _mark(mark: Mark, plot: Plot) -> str:
    if mark.axis == "x":
        return f'<path class="mark {mark.tone}" d="M{_across(plot.x, mark.at)} 0V{SIDE}"/>'
    return f'<path class="mark {mark.tone}" d="M0 {_down(plot.y, mark.at)}H{SIDE}"/>'


def _mark_label(mark: Mark, plot: Plot) -> str:
    if mark.axis == "x":
        share = plot.x.at(mark.at)
        side = f"right:{_share(1 - share)}" if share > 0.6 else f"left:{_share(share)}"
        return f'<span class="at-x {mark.tone}" style="{side}">{escape(mark.name)}</span>'
    return f'<span class="at-y {mark.tone}" style="bottom:{_share(plot.y.at(mark.at))}">{escape(mark.name)}</span>'


def _band(band: Band, x: Scale) -> str:
    left, right = x.at(band.start), x.at(band.end)
    word = f"<span>{escape(band.name)}</span>" if band.name and right - left > 0.05 else ""
    place = f"left:{_share(left)};width:{_share(right - left)}"
    return f'<div class="band" style="{place}" title="{escape(band.name)}">{word}</div>'


def _y_label(value: float, y: Scale) -> str:
    return f'<span style="bottom:{_share(y.at(value))}">{escape(y.told(value))}</span>'


def _x_labels(x: Scale) -> str:
    """Every second one gives way on a narrow page."""
    written = []
    for index, value in enumerate(reversed(x.ticks())):
        spare = " class=spare" if index % 2 else ""
        written.append(f'<span{spare} style="left:{_share(x.at(value))}">{escape(x.told(value))}</span>')
    return "".join(reversed(written))


def _key(series: Series) -> str:
    sample = "M7 4h0" if series.shape in DOTTED else "M0 4h14"
    told = f"<b>{escape(series.told)}</b>" if series.told else ""
    dashed = " dashed" if series.dashed else ""
    line = f'<path class="{series.shape} {series.tone}{dashed}" d="{sample}"/>'
    drawn = f'<svg viewBox="0 0 14 8" aria-hidden="true">{line}</svg>'
    return f'<span class="key">{drawn}{escape(series.name)}{told}</span>'


def _across(x: Scale, value: float) -> int:
    return round(x.at(value) * SIDE)


def _down(y: Scale, value: float) -> int:
    return round((1 - y.at(value)) * SIDE)


def _share(of_one: float) -> str:
    return f"{of_one * 100:.4g}%"

"""How wide a band is: by the residuals of settings like this one, when they were not fitted on.

What is like it: the figure (TTFT, TPOT), the lane (an aggregated engine, prefill and decode apart, another harness),
the engine, and whether models of this shape and this accelerator were among those fitted on. The quantiles are
conformal ones of log(measured / predicted) over rows that were left out (Lei et al. 2018, arXiv 1604.04173), written
by `python -m headway.perf.fit`. Accelerators of a generation that no row has are further from those that were left
out in turn than these from one another: theirs is wider by `FAR`, by judgement and not by measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp

from headway.perf.catalog.architecture import Architecture
from headway.perf.constants import Bands, Spread
from headway.perf.prediction import Band
from headway.perf.setting import Setting

__all__ = ["FAR", "KINDS", "band", "shape", "spread_of"]

FAR = 1.4
KINDS = ("seen", "new-model", "new-accelerator", "new-both")
"""What was left out of the fit, as it is from a setting's point of view."""


def shape(model: Architecture) -> str:
    """Of a model: those tuned or quantised from one base have the same."""
    return f"{model.layers}x{model.hidden}x{model.experts}x{model.vocabulary}"


def spread_of(bands: Bands, figure: str, setting: Setting, lane: str = "agg") -> Spread:
    """The first like that has residuals, from the nearest to the widest."""
    found = next((bands.spreads[like] for like in _likes(bands, figure, setting, lane) if like in bands.spreads), None)
    if found is None:
        return Spread(-1.0, 1.0, 0)
    if bands.generations and setting.accelerator.generation not in bands.generations:
        return Spread(found.low * FAR, found.high * FAR, found.rows)
    return found


def band(value: float, spread: Spread) -> Band:
    return Band(value * exp(min(0.0, spread.low)), value, value * exp(max(0.0, spread.high)))


def _likes(bands: Bands, figure: str, setting: Setting, lane: str) -> Iterator[str]:
    known = (setting.accelerator.cut_from or setting.accelerator.name) in bands.accelerators
    kind = KINDS[(shape(setting.model) not in bands.models) + 2 * (not known)]
    for engine in (setting.engine, "any"):
        yield f"{figure}/{lane}/{engine}/{kind}"
    yield f"{figure}/{lane}"
    yield figure

"""How wide a band is: by the residuals of settings like this one, when they were not fitted on.

What is like it: the figure (TTFT, TPOT), the lane (an aggregated engine, prefill and decode apart, another harness),
the engine, and whether models of this shape and this accelerator were among those fitted on. The quantiles are
conformal ones of log(measured / predicted) over rows that were left out (Lei et al. 2018, arXiv 1604.04173), written
by `python -m headway.perf.fit`. Few models and two accelerators make them: bands from the rows of all other models
hold about 80 % of a model's rows and not 90, so that theirs is wider by `FEW`. Accelerators of a generation that no
row has are further from those that were left out in turn than these from one another: theirs is wider by `FAR`, by
judgement and not by measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp

from headway.perf.catalog.architecture import Architecture
from headway.perf.constants import Bands, Spread
from headway.perf.prediction import Band
from headway.perf.setting import Setting

__all__ = ["FAR", "FEW", "KINDS", "band", "shape", "spread_of"]

FEW = 1.2
"""In logarithms: what takes a normal's 80 % to 88 %."""
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
    wider = 1.0 if _kind(bands, setting) == "seen" else FEW
    if bands.generations and setting.accelerator.generation not in bands.generations:
        wider *= FAR
    return Spread(found.low * wider, found.high * wider, found.rows)


def band(value: float, spread: Spread) -> Band:
    return Band(value * exp(min(0.0, spread.low)), value, value * exp(max(0.0, spread.high)))


def _likes(bands: Bands, figure: str, setting: Setting, lane: str) -> Iterator[str]:
    kind = _kind(bands, setting)
    for engine in (setting.engine, "any"):
        yield f"{figure}/{lane}/{engine}/{kind}"
    yield f"{figure}/{lane}"
    yield figure


def _kind(bands: Bands, setting: Setting) -> str:
    known = (setting.accelerator.cut_from or setting.accelerator.name) in bands.accelerators
    return KINDS[(shape(setting.model) not in bands.models) + 2 * (not known)]

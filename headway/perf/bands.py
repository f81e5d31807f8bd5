"""How wide a band is: by the residuals of settings like this one, when they were not fitted on.

What is like it: the figure (TTFT, TPOT), whether the engine's rows are many, whether this model and this accelerator
were among those fitted on. The quantiles are conformal ones of log(measured / predicted) over rows that were left out
(Lei et al. 2018, arXiv 1604.04173), written by `python -m headway.perf.fit`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp

from headway.perf.constants import Bands, Spread
from headway.perf.prediction import Band
from headway.perf.setting import Setting

__all__ = ["band", "spread_of"]


def spread_of(bands: Bands, figure: str, setting: Setting, mode: str = "agg") -> Spread:
    """The first like that has residuals, from the nearest to the widest."""
    for like in _likes(bands, figure, setting, mode):
        if like in bands.spreads:
            return bands.spreads[like]
    return Spread(-1.0, 1.0, 0)


def band(value: float, spread: Spread) -> Band:
    return Band(value * exp(min(0.0, spread.low)), value, value * exp(max(0.0, spread.high)))


def _likes(bands: Bands, figure: str, setting: Setting, mode: str) -> Iterator[str]:
    seen = setting.model.name in bands.models
    known = (setting.accelerator.cut_from or setting.accelerator.name) in bands.accelerators
    kind = {(True, True): "seen", (False, True): "new-model", (True, False): "new-accelerator"}.get(
        (seen, known), "new-both"
    )
    yield f"{figure}/{mode}/{setting.engine}/{kind}"
    yield f"{figure}/{mode}/any/{kind}"
    yield f"{figure}/{mode}"
    yield figure

"""The constants of one engine as they were fitted on a Site's own measurements: a value that is kept, found again and
used in place of the shipped constants.

A Fit is for a model (by its shape and the dtype of its weights) in an engine on an accelerator of a Site. It holds the
constants that measurements told, by their path in `headway.perf.constants`; all others stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from headway.perf.bands import FAR, shape
from headway.perf.catalog.accelerator import Accelerator
from headway.perf.constants import Bands, Constants, Spread, constants
from headway.perf.cores import count_of, faster
from headway.perf.limits import limits
from headway.perf.predict import predict, step_time
from headway.perf.prediction import Load, Prediction
from headway.perf.setting import EngineFamily, Setting
from headway.perf.step.shape import Limits, StepTime

__all__ = ["CORES", "Fit", "Performance", "applied", "fit_for", "key_of"]

CORES = "cpu"
"""The accelerator of an engine on cores, however many: constants are shares of what each core has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """`model`: its name, for people; `shape` and `weights` say which it is. `threads`: of one replica, on cores.
    `measured`: the day, UTC; `requests`: that were used; `sources`: their files' names. `ttft` and `tpot`: the 90 %
    band of log(measured / predicted), by blocks of requests that were left out in turn; `errors`: the mean absolute
    error of single requests, so left out, as shares, and by the shipped constants (`_shipped`). `bandwidth` and
    `flops`: of the accelerator then (its bf16), which the constants are shares of. `wrap`: tokens that the chat
    template adds to a prompt."""

    site: str
    accelerator: str
    engine: EngineFamily
    model: str
    shape: str
    weights: str
    measured: str
    requests: int
    sources: tuple[str, ...]
    values: Mapping[str, float]
    ttft: Spread
    tpot: Spread
    errors: Mapping[str, float]
    bandwidth: float
    flops: float
    threads: int = 0
    wrap: float = 0.0

    @property
    def key(self) -> tuple[str, ...]:
        """Of two with the same the newer one counts."""
        return self.site, self.accelerator, self.engine, self.shape, self.weights, str(self.threads)

    @property
    def source(self) -> str:
        """As predictions say it."""
        return f"fitted on your measurements of {self.measured}, {self.requests:,} requests"


def key_of(setting: Setting, site: str) -> tuple[str, ...]:
    cores = count_of(setting.accelerator)
    accelerator = CORES if cores else setting.accelerator.cut_from or setting.accelerator.name
    threads = setting.threads or cores
    return site, accelerator, setting.engine, shape(setting.model), setting.weights, str(threads)


def fit_for(setting: Setting, site: str, fits: Iterable[Fit]) -> Fit | None:
    """The one that was made for this setting; on cores, else one for another number of threads, with a wider band."""
    key = key_of(setting, site)
    like = [each for each in fits if each.key[:-1] == key[:-1]]
    exact = [each for each in like if each.key == key]
    if exact or not like:
        return exact[-1] if exact else None
    near = min(like, key=lambda each: abs(each.threads - int(key[-1])))
    wider = [Spread(each.low * FAR, each.high * FAR, each.rows) for each in (near.ttft, near.tpot)]
    return replace(near, ttft=wider[0], tpot=wider[1])


def applied(base: Constants, fit: Fit, accelerator: Accelerator) -> Constants:
    """`base` with what was fitted, for an accelerator whose figures may have changed since: `headway doctor --measure`
    lowers those of a slow one. What it reaches then stays what was fitted."""
    whole: dict[str, Any] = msgspec.to_builtins(base)
    reads, computes = faster(fit.threads, count_of(accelerator))
    reading = fit.bandwidth * reads, accelerator.bandwidth
    arithmetic = fit.flops * computes, accelerator.flops["bf16"]
    figures = {"stream": reading, "cache_stream": reading, "attend": arithmetic}
    for path, value in fit.values.items():
        *outer, last = path.split(".")
        at = whole
        for name in outer:
            at = at[name]
        then, now = figures.get(last, arithmetic if "flops" in outer else (1.0, 1.0))
        at[last] = value * then / now
    spreads = {"ttft": fit.ttft, "tpot": fit.tpot}
    changed = msgspec.convert(whole, Constants)
    return replace(changed, source=fit.source, date="", rows=fit.requests, bands=Bands(spreads))


class Performance:
    """The model of performance with the constants of each setting: fitted here where they were, else shipped."""

    def __init__(self, site: str, fits: Iterable[Fit]) -> None:
        self._site, self._fits = site, tuple(fits)
        self._known: dict[tuple[object, ...], Constants] = {}

    def by(self, setting: Setting) -> Constants:
        if not self._fits:
            return constants()
        accelerator = setting.accelerator
        key = *key_of(setting, self._site), accelerator.bandwidth, accelerator.flops["bf16"]
        if key not in self._known:
            fit = self.fit(setting)
            self._known[key] = applied(constants(), fit, setting.accelerator) if fit else constants()
        return self._known[key]

    def fit(self, setting: Setting) -> Fit | None:
        return fit_for(setting, self._site, self._fits)

    def predict(self, setting: Setting, load: Load, /) -> Prediction:
        return predict(setting, load, self.by(setting))

    def step_time(self, setting: Setting, /) -> StepTime:
        return step_time(setting, self.by(setting))

    def limits(self, setting: Setting, /) -> Limits:
        return limits(setting, self.by(setting))

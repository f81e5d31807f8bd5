"""What one replica does: how long its steps take, what it has room for, and the latencies of a load on it.

    step_time(setting) -> StepTime     for a simulator: seconds of any step
    limits(setting) -> Limits          room for keys and values, most sequences, tokens of a step
    predict(setting, load) -> Prediction     means and percentiles with their 90 % bands, in closed form

Pure arithmetic on the constants of `data/constants.json` (or others that are passed in, as a live calibration does);
ResourceError where the model does not fit.
"""

from __future__ import annotations

from math import inf, log

from headway.perf.bands import band, spread_of
from headway.perf.constants import Constants, constants
from headway.perf.limits import admitted, limits
from headway.perf.prediction import Band, Load, Prediction
from headway.perf.setting import Setting
from headway.perf.steady import Steady, steady
from headway.perf.step.step import Step, step_of

__all__ = ["limits", "predict", "step_time"]

RARE = 0.05
"""Share of tokens past which a 95th percentile is one of a step with a prompt in it."""


def step_time(setting: Setting, by: Constants | None = None) -> Step:
    return step_of(setting, by or constants())


def predict(setting: Setting, load: Load, by: Constants | None = None) -> Prediction:
    by = by or constants()
    room = admitted(setting, limits(setting, by), load.prompt + load.output)
    found = steady(step_of(setting, by), room, load)
    ttft, tpot = spread_of(by.bands, "ttft", setting), spread_of(by.bands, "tpot", setting)
    before = by.engines[setting.engine].request + found.own
    late = found.mixed if found.share > RARE else found.decode
    return Prediction(
        ttft=band(before + found.wait, ttft),
        ttft_p50=band(before + _quantile(found, 0.5), ttft),
        ttft_p95=band(before + _quantile(found, 0.95), ttft),
        tpot=band(found.tpot, tpot),
        itl_p50=band(found.mixed if found.share > 0.5 else found.decode, tpot),
        itl_p95=band(late, tpot),
        requests=_slower(found.requests, band(1.0, tpot)),
        running=found.running,
        saturated=found.saturated,
        fitted_on=by.told,
    )


def _quantile(found: Steady, share: float) -> float:
    """Of the wait, as if it were exponential beyond the rest of a step."""
    return inf if found.saturated else -found.wait * log(1 - share)


def _slower(requests: float, of_time: Band) -> Band:
    """A rate's band from one of times: longer ones are fewer requests."""
    return Band(requests / of_time.high, requests, requests / of_time.low)

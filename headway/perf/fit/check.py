"""Cross-validation: what the constants miss on rows that they were not fitted on.

    seen              another split (tensor, data, expert) of the same model on the same accelerator
    new-model         all rows of a model left out, whatever the accelerator
    new-accelerator   all rows of an accelerator left out, whatever the model
    new-both          the rows of a model on an accelerator, when all rows of either were left out

Each row is left out once in each of the four; its residual then is what a user with such a model and accelerator would
have met. The fits start where the fit of all rows ended: the priors, not the start, decide where they end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headway.perf.constants import Constants
from headway.perf.fit.engines import Floats, fitted, played, relays
from headway.perf.fit.parameters import Parameter
from headway.perf.fit.rows import Sample

__all__ = ["Left", "folds", "left_out"]

SPLITS = 4


@dataclass(frozen=True, slots=True)
class Left:
    """A row that was left out, and log(measured / predicted) of its time of a token and to the first one."""

    kind: str
    sample: Sample
    tpot: float
    ttft: float


def folds(found: Sequence[Sample]) -> Iterator[tuple[str, list[Sample], list[Sample]]]:
    """Kind, rows to fit on, rows to test on."""
    for part in range(SPLITS):
        test = [each for each in found if _part(each) == part]
        yield "seen", [each for each in found if _part(each) != part], test
    for model in sorted({each.model for each in found}):
        test = [each for each in found if each.model == model]
        yield "new-model", [each for each in found if each.model != model], test
    accelerators = sorted({each.accelerator for each in found})
    for name in accelerators:
        test = [each for each in found if each.accelerator == name]
        yield "new-accelerator", [each for each in found if each.accelerator != name], test
    for model in sorted({each.model for each in found}):
        for name in accelerators:
            test = [each for each in found if each.model == model and each.accelerator == name]
            rest = [each for each in found if each.model != model and each.accelerator != name]
            if test and rest:
                yield "new-both", rest, test


def left_out(
    found: Sequence[Sample], base: Constants, parameters: Sequence[Parameter], start: Floats
) -> Iterator[Left]:
    for kind, fit_on, test in folds(found):
        by = relays(fit_on, fitted(fit_on, base, parameters, start=start, rounds=1, evaluations=7).constants)
        told = np.log(played(test, by))
        for each, (tpot, ttft) in zip(test, told, strict=True):
            yield Left(kind, each, float(np.log(each.row.tpot) - tpot), float(np.log(each.row.ttft) - ttft))


def _part(each: Sample) -> int:
    """Which of the parts a row's setting falls into, whatever the order of the rows."""
    setting = each.settings[0]
    named = f"{each.group}{setting.tensor}{setting.data}{setting.expert}"
    return sum(map(ord, named)) % SPLITS

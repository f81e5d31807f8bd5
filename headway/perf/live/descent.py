"""Least squares with priors: Levenberg (1944) and Marquardt (1963), on a handful of parameters.

Residuals are bounded by Huber's weights, so that a request that the machine held up for reasons of its own counts by
its size and not by its square. numpy alone: scipy is not there where Headway serves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["descended"]

BEYOND = 2.0
"""Standard deviations from which on a residual counts linearly."""
SLOPE = 1e-4
ENOUGH = 1e-5
DAMPING, EASIER, HARDER = 1e-3, 0.3, 4.0
TRIES = 8


def descended(
    residuals: Callable[[Sequence[float]], Sequence[float]],
    priors: Sequence[float],
    spreads: Sequence[float],
    rounds: int,
    start: Sequence[float],
) -> list[float]:
    """The parameters at which `residuals` (in standard deviations) and the distances from `priors` (in `spreads`) have
    the least sum of squares, sought from `start` on."""
    import numpy as np  # noqa: PLC0415 (heavy, and only here)

    prior, wide = np.array(priors, float), np.array(spreads, float)

    def cost(at: np.ndarray, found: np.ndarray) -> float:
        size = np.abs(found)
        bounded = np.where(size < BEYOND, size**2, 2 * BEYOND * size - BEYOND**2)
        return float(bounded.sum() + (((at - prior) / wide) ** 2).sum())

    at, damping = np.array(start, float), DAMPING
    found = np.array(residuals(at.tolist()))
    now = cost(at, found)
    for _ in range(rounds):
        slopes = np.empty((len(found), len(at)))
        for index in range(len(at)):
            moved = at.copy()
            moved[index] += SLOPE
            slopes[:, index] = (np.array(residuals(moved.tolist())) - found) / SLOPE
        weight = np.minimum(1.0, BEYOND / np.maximum(np.abs(found), 1e-12))
        normal = slopes.T @ (weight[:, None] * slopes) + np.diag(wide**-2.0)
        pull = slopes.T @ (weight * found) + (at - prior) / wide**2
        for _try in range(TRIES):
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -pull)
            there = np.array(residuals((at + step).tolist()))
            then = cost(at + step, there)
            if then < now:
                break
            damping *= HARDER
        else:
            break
        gained, at, found, now = now - then, at + step, there, then
        damping *= EASIER
        if gained < ENOUGH * now:
            break
    best: list[float] = at.tolist()
    return best

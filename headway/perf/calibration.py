"""What was measured on a machine, and what of it changes the figures that predictions start from.

`headway doctor --measure` makes one, the state directory keeps it, planning reads it. Pure values and arithmetic:
bytes, bytes/s, FLOP/s, seconds.

Kernels of PyTorch are not those of an engine, so a GPU's steps are shown and kept but change nothing; its bandwidth
and matrix rates do where they are lower than a sound device of its kind reaches (USUAL): a capped, shared or wrong
one. The processor was measured with the engine itself, so its figures become those that make the prediction true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median

from headway.perf.catalog.accelerator import Accelerator

__all__ = ["USUAL", "Calibration", "Point", "applied"]

USUAL = {"bandwidth": 0.85, "bf16": 0.65, "fp8": 0.55, "tf32": 0.6, "f32": 0.6}
"""Of a data sheet's figure, what a sound GPU reaches in PyTorch when copying memory and in large products: a little
under what is commonly reported of A100, H100 and H200 (0.9 and more; 0.7 to 0.8)."""


@dataclass(frozen=True, slots=True)
class Point:
    """One step as measured: `prompt` new tokens after `context`, or `sequences` that decode one token each with so much
    `context` each. `predicted`: by the constants of then; 0: there was no prediction."""

    seconds: float
    predicted: float = 0.0
    prompt: int = 0
    sequences: int = 0
    context: int = 0

    @property
    def ratio(self) -> float:
        return self.seconds / self.predicted if self.predicted else 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """`accelerator`: its name in the catalogue; empty: it is not there. `device`: as its driver calls it. `engine`:
    what ran the steps: torch or llamacpp. `measured`: when, as UTC."""

    device: str
    accelerator: str
    engine: str
    measured: str
    by: str  # which programs
    bandwidth: float  # of copying: bytes read and written
    memory: int = 0
    flops: Mapping[str, float] = field(default_factory=dict)
    points: tuple[Point, ...] = ()

    @property
    def prefill(self) -> float:
        """Measured over predicted of steps with prompts; 1 where none was measured."""
        return median([each.ratio for each in self.points if each.prompt and each.ratio] or [1.0])

    @property
    def decode(self) -> float:
        return median([each.ratio for each in self.points if each.sequences and each.ratio] or [1.0])


def applied(base: Accelerator, found: Calibration) -> Accelerator:
    """`base` with what was measured of it; its source says so. See above for what counts."""
    source = f"{base.source}; measured here {found.measured[:10]}"
    if found.engine == "llamacpp":
        rate = found.flops.get("f32", base.flops["bf16"]) / found.prefill
        return replace(
            base,
            memory=found.memory or base.memory,
            bandwidth=found.bandwidth / found.decode,
            flops={"bf16": rate},
            source=source,
        )
    share = min(1.0, found.bandwidth / (USUAL["bandwidth"] * base.bandwidth))
    rates = {dtype: _at_most(rate, dtype, found.flops.get(dtype)) for dtype, rate in base.flops.items()}
    return replace(base, bandwidth=base.bandwidth * share, flops=rates, source=source)


def _at_most(rate: float, dtype: str, measured: float | None) -> float:
    return rate if measured is None else min(rate, measured / USUAL.get(dtype, 0.6))

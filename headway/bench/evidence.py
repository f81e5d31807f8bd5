"""What a verdict is made of: all that was measured and asked of a run, by stage and as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headway.bench.arrays import Bools
from headway.bench.facts import RunFacts, StageFacts
from headway.bench.measures import Measured
from headway.bench.schema import Figures, GeneratorFigures, Slo, Window

__all__ = ["Evidence", "Seen", "millis", "short"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One stage. `due`: its requests that count; `of_stage`: ` in stage NAME` where there are several."""

    stage: StageFacts
    window: Window
    due: Bools
    figures: Figures
    of_stage: str

    @property
    def closed(self) -> bool:
        return self.stage.concurrency is not None


@dataclass(frozen=True, slots=True)
class Evidence:
    """`windows`, `dues` and `stages` are by stage; `percentile`: the highest that was asked for."""

    of: Measured
    facts: RunFacts
    windows: Sequence[Window]
    dues: Sequence[Bools]
    stages: Sequence[Figures]
    whole: Figures
    generator: GeneratorFigures
    slos: Sequence[Slo]
    percentile: int

    @property
    def single(self) -> bool:
        return len(self.of) == 1

    @property
    def seconds(self) -> float:
        """How long load was made."""
        return max((window.end for window in self.windows), default=0.0)

    def seen(self) -> Iterator[Seen]:
        several = len(self.windows) > 1
        for stage, window, due, figures in zip(self.facts.stages, self.windows, self.dues, self.stages, strict=True):
            yield Seen(stage, window, due, figures, f" in stage {stage.name}" if several else "")


def short(value: float) -> str:
    """Three digits that count, with no exponent: all before the point, and less than a thousandth is nothing."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else "0"


def millis(seconds: float) -> str:
    return f"{short(seconds * 1000)} ms"

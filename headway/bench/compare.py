"""Whether B differs from A, and by how much: a ratio with its interval for each figure, or "no difference seen".

Three cases, and the comparison says which one it was:

- **runs**: three or more runs on either side, as many on both: the pairs (A1, B1), (A2, B2), ... are compared, and
  Student's t on the logarithms of their ratios knows how runs differ. Interleave them (A B A B ...): then the hour of
  the day is in both.
- **paired**: the same schedule on both sides (equal requests, number by number): request i of A stands beside request
  i of B, and the bootstrap draws both at once, so that what was hard for both cancels out.
- **unpaired**: the bootstrap draws each side for itself.

The bootstrap draws blocks of neighbours and not single requests (circular blocks, Politis and Romano 1992), because
neighbours in a queue wait for the same reason. One run a side knows nothing of how runs differ from each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headway.bench.arrays import Floats

__all__ = ["STATISTICS", "Comparison", "Row", "Sample", "Statistic", "compare"]

DRAWS = 1000
BLOCKS = 32
"""That a run is cut into at least: a block holds neighbours, and 20 to 30 batches are what batch means live on
(Schmeiser 1982)."""
SEED = 1
FEWEST_RUNS = 3
"""On each side, for runs to be compared with runs: of two nobody knows how much a third would differ."""

Method = Literal["runs", "paired", "unpaired"]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One figure of a run. `of`: quantile (`level`), mean, or per_second: the column's sum over the run's seconds."""

    name: str
    column: str
    of: Literal["quantile", "mean", "per_second"]
    level: float = 0.5
    unit: Literal["seconds", "share", "per_second"] = "seconds"
    more_is_better: bool = False


STATISTICS: tuple[Statistic, ...] = (
    *(
        Statistic(f"{name} p{level}", column, "quantile", level / 100)
        for name, column in (
            ("TTFT from due", "ttft_due"),
            ("TTFT from sent", "ttft_sent"),
            ("E2E from due", "e2e_due"),
        )
        for level in (50, 90, 99)
    ),
    Statistic("TPOT mean", "tpot", "mean"),
    Statistic("TPOT p90", "tpot", "quantile", 0.9),
    Statistic("inside the SLO", "hit", "mean", unit="share", more_is_better=True),
    Statistic("answered a second", "answered", "per_second", unit="per_second", more_is_better=True),
    Statistic("output tokens a second", "output_tokens", "per_second", unit="per_second", more_is_better=True),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: `columns` have one figure for each request, in the order in which they were due (nan: it has none;
    inf: what never came), `keys` what was planned for it, `seconds` how long the part of the run lasts that
    counts."""

    name: str
    keys: Sequence[tuple[object, ...]]
    columns: Mapping[str, Floats]
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """`ratio` = B / A with its 95 % interval; nan where a figure is not there on both sides, or is infinite."""

    statistic: Statistic
    a: float
    b: float
    ratio: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        return self.low > 1 or self.high < 1

    @property
    def told(self) -> str:
        if math.isnan(self.ratio):
            return "cannot be compared"
        if not self.differs:
            return "no difference seen"
        return "better" if (self.ratio > 1) == self.statistic.more_is_better else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`method`, and what it cannot know (`limits`, a sentence each)."""

    method: Method
    a: tuple[str, ...]
    b: tuple[str, ...]
    requests: int
    rows: tuple[Row, ...]
    limits: tuple[str, ...]


def compare(a: Sequence[Sample], b: Sequence[Sample]) -> Comparison:
    """At least one run on each side."""
    method = _method(a, b)
    rows = tuple(_row(each, a, b, method) for each in STATISTICS if _there(each, a) and _there(each, b))
    requests = sum(len(each.keys) for each in (*a, *b))
    names = tuple(each.name for each in a), tuple(each.name for each in b)
    return Comparison(method, *names, requests, rows, tuple(_limits(method, a, b)))


def _method(a: Sequence[Sample], b: Sequence[Sample]) -> Method:
    if len(a) == len(b) >= FEWEST_RUNS:
        return "runs"
    same = len(a) == len(b) and all(list(left.keys) == list(right.keys) for left, right in zip(a, b, strict=True))
    return "paired" if same else "unpaired"


def _limits(method: Method, a: Sequence[Sample], b: Sequence[Sample]) -> list[str]:
    if method == "runs":
        return []
    told = ["one run a side says nothing of how runs differ: give three of each, interleaved (A B A B A B)"]
    if len(a) != len(b):
        told.append(f"{len(a)} against {len(b)} runs: they are not paired")
    elif method == "unpaired":
        told.append("the schedules are not the same: part of the difference may be theirs")
    return told


def _row(statistic: Statistic, a: Sequence[Sample], b: Sequence[Sample], method: Method) -> Row:
    left, right = _figure(statistic, a), _figure(statistic, b)
    ratio, low, high = (_by_runs if method == "runs" else _by_draws(method))(statistic, a, b)
    return Row(statistic, left, right, ratio, low, high)


def _by_runs(statistic: Statistic, a: Sequence[Sample], b: Sequence[Sample]) -> tuple[float, float, float]:
    """Student's t on the logarithms of the pairs' ratios."""
    import numpy as np  # noqa: PLC0415

    logs = np.array([_log_ratio(_figure(statistic, [x]), _figure(statistic, [y])) for x, y in zip(a, b, strict=True)])
    if not np.isfinite(logs).all():
        return math.nan, math.nan, math.nan
    half = _student(len(logs) - 1) * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    middle = float(logs.mean())
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def _by_draws(method: Method) -> Callable[..., tuple[float, float, float]]:
    def interval(statistic: Statistic, a: Sequence[Sample], b: Sequence[Sample]) -> tuple[float, float, float]:
        import numpy as np  # noqa: PLC0415

        ratio = _log_ratio(_figure(statistic, a), _figure(statistic, b))
        if not math.isfinite(ratio):
            return math.nan, math.nan, math.nan
        chance = np.random.default_rng(SEED)
        logs = []
        for _ in range(DRAWS):
            drawn = [_draw(len(each.keys), chance) for each in a]
            other = drawn if method == "paired" else [_draw(len(each.keys), chance) for each in b]
            logs.append(_log_ratio(_figure(statistic, a, drawn), _figure(statistic, b, other)))
        known = np.array(logs)[np.isfinite(logs)]
        if len(known) < DRAWS * 0.9:
            return math.nan, math.nan, math.nan
        low, high = np.quantile(known, [0.025, 0.975])
        return math.exp(ratio), math.exp(float(low)), math.exp(float(high))

    return interval


def _draw(requests: int, chance: np.random.Generator) -> NDArray[np.intp]:
    """Blocks of neighbours, the end joined to the beginning, until there are as many as before."""
    import numpy as np  # noqa: PLC0415

    block = max(1, math.ceil(requests / BLOCKS))
    starts = chance.integers(0, max(1, requests), math.ceil(requests / block))
    return ((starts[:, None] + np.arange(block)[None, :]).ravel()[:requests] % max(1, requests)).astype(np.intp)


def _figure(statistic: Statistic, runs: Sequence[Sample], drawn: Sequence[NDArray[np.intp]] | None = None) -> float:
    """Of all runs of a side together; nan when no request has it."""
    import numpy as np  # noqa: PLC0415

    columns = [each.columns[statistic.column] for each in runs]
    if drawn is not None:
        columns = [column[index] for column, index in zip(columns, drawn, strict=True)]
    values = np.concatenate(columns)
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan
    if statistic.of == "per_second":
        return float(values.sum()) / sum(each.seconds for each in runs)
    if statistic.of == "mean":
        return float(values.mean())
    # The smallest value that so many are no greater than: an infinite one is no neighbour to take a mean with.
    rank = max(0, math.ceil(statistic.level * len(values)) - 1)
    return float(np.partition(values, rank)[rank])


def _there(statistic: Statistic, runs: Sequence[Sample]) -> bool:
    return not math.isnan(_figure(statistic, runs))


def _log_ratio(a: float, b: float) -> float:
    if not (0 < a < math.inf and 0 < b < math.inf):
        return math.nan
    return math.log(b / a)


def _student(freedom: int) -> float:
    """The 97.5 % quantile. With two degrees of freedom it has a closed form, and the expansion is 3 % off."""
    from headway.bench.intervals import student  # noqa: PLC0415

    return 4.302653 if freedom == 2 else student(0.975, freedom)

"""What a search finds: a choice that can be launched, and what was passed over with the number that decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from headway.perf.plan.checkpoint import QUALITIES, Checkpoint, Quality
from headway.perf.plan.cold_start import ColdStart
from headway.perf.plan.goal import Felt, Miss
from headway.perf.plan.layout import Layout
from headway.perf.plan.memory import Memory
from headway.perf.plan.offer import Offer
from headway.perf.setting import Setting

__all__ = ["Choice", "Refused", "Replicas", "Search", "quality_of"]

LEAST_SEQUENCES = 8


@dataclass(frozen=True, slots=True)
class Replicas:
    """`needed` for the load with its head-room; `preempted`: more, for those that are taken away; `spare`: one more,
    so that any may fail; `away`: share of its time that each is gone."""

    needed: int
    preempted: int = 0
    spare: int = 0
    away: float = 0.0

    @property
    def all(self) -> int:
        return self.needed + self.preempted + self.spare


@dataclass(frozen=True, slots=True)
class Choice:
    """`capacity`: the load that one replica bears within the limits; `running`: sequences
    at once then; `most_sequences`: the engine's own bound. `per_hour`, `per_million`: money, of all replicas
    and for a million tokens (prompts and answers) at the mean load; `idle`: of the replicas' capacity, what the mean
    load leaves unused. `felt`: of a request at the peak, all replicas up. `context`: the longest request that is taken.
    `missed`: only where the file fixes all: the limit that is not kept. `reckoned`: where `felt` was
    counted on requests that were played through a replica, what the formulas say."""

    offer: Offer
    checkpoint: Checkpoint
    layout: Layout
    setting: Setting
    context: int
    running: float
    most_sequences: int
    capacity: float
    replicas: Replicas
    per_hour: float
    per_million: float
    idle: float
    felt: Felt
    memory: Memory
    cold_start: ColdStart
    fitted_on: str
    missed: Miss | None = None
    reckoned: Felt | None = None

    @property
    def gpus(self) -> int:
        return self.offer.gpus(self.replicas.all, self.layout.accelerators)

    @property
    def sequences(self) -> int:
        """That the engine is to run at once: twice those at the limit, in powers of two, as far as there is room."""
        if self.setting.most_sequences is not None:
            return self.setting.most_sequences
        wanted = _power(2 * self.running)
        return min(wanted, _power(self.memory.sequences), max(LEAST_SEQUENCES, self.most_sequences))

    @property
    def quality(self) -> Quality:
        return quality_of(self.checkpoint, self.setting.kv)

    @property
    def rank(self) -> tuple[float, int, int, float]:
        """Cheapest first; of equals fewer GPUs, weights nearer to those published, the sooner answer."""
        return (
            round(self.per_hour, 6),
            self.gpus,
            QUALITIES.index(self.quality),
            self.felt.ttft_p95.value,
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """`why`: one phrase with its number. `least`: money an hour of the fewest of these accelerators that were looked
    at. `near`: how near it came: the lower the nearer; 0 and below: it kept the limits and was not to be had."""

    offer: Offer
    checkpoint: Checkpoint
    layout: Layout | None
    why: str
    least: float
    near: float = inf
    miss: Miss | None = None
    prefill: float = 0.0


@dataclass(frozen=True, slots=True)
class Search:
    """`choices`: ranked, the best of each offer and form of weights; those of a form that was not allowed, and those
    that nothing can launch, stand in `others`. `settings`: how many were reckoned."""

    choices: Sequence[Choice]
    others: Sequence[Choice]
    refused: Sequence[Refused]
    settings: int

    @property
    def pick(self) -> Choice | None:
        return self.choices[0] if self.choices else None

    @property
    def nearest(self) -> Refused | None:
        return min(self.refused, key=lambda each: (each.near, each.least), default=None)


def _power(number: float) -> int:
    """The least power of two from there on, and from LEAST_SEQUENCES on."""
    found = LEAST_SEQUENCES
    while found < number:
        found *= 2
    return found


def quality_of(checkpoint: Checkpoint, kv: str) -> Quality:
    """Keys and values of 8 bits are no better than weights of 8."""
    return "8bit" if kv == "fp8" and checkpoint.quality == "published" else checkpoint.quality

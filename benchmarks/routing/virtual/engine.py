"""A mock engine without its process: its own scheduler, KV cache, LoRA slots, profile and counts, on our clock.

What is left out is HTTP: an answer's tokens are told to who asked, not written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.routing.engines import MODEL, PROFILE
from benchmarks.routing.virtual.clock import Clock
from benchmarks.routing.workloads import Fleet
from headway.engines.mock_batch import Batch
from headway.engines.mock_lora import LoraSlots
from headway.engines.mock_metrics import Counts, exposition
from headway.engines.mock_profile import PROFILES, Profile, changed
from headway.engines.mock_question import Question, Rules, ask
from headway.engines.mock_sequence import Sequence

__all__ = ["Engine", "fleet_of"]


class Engine:
    def __init__(self, clock: Clock, profile: Profile, adapters: tuple[str, ...], time_scale: float) -> None:
        self._clock, self._scale = clock, time_scale
        self._slots = LoraSlots(profile.max_loras, profile.lora_load)
        self.batch, self._counts = Batch(profile, self._slots), Counts()
        self._rules = Rules(MODEL, adapters, profile.longest, 0)
        self._ticks = 0  # the tick that counts: an earlier one was overtaken

    def question(self, body: Any) -> Question:
        return ask(body, "chat", self._rules)

    def submit(self, question: Question, told: Callable[[Sequence], None]) -> None:
        """`told` is called for each token."""
        sequence = Sequence(question.prompt, question.said, question.length, question.adapter, question.salt)
        sequence.told = lambda: told(sequence)
        self.batch.submit(sequence, self._now)
        if not self.batch.stepping:
            self._tick_at(self._now)

    def metrics(self) -> str:
        return exposition(self._counts, self.batch, self._slots, MODEL)

    @property
    def _now(self) -> float:
        return self._clock.now * self._scale

    def _tick_at(self, due: float) -> None:
        self._ticks += 1
        number = self._ticks
        self._clock.at(due / self._scale, lambda: self._tick(due, number))

    def _tick(self, due: float, number: int) -> None:
        if number != self._ticks:
            return
        step = self.batch.step(due)
        if step.seconds is not None:
            self._tick_at(due + step.seconds)
        for sequence in step.produced:
            self._counts.token(sequence, due)
            sequence.told()


def fleet_of(clock: Clock, fleet: Fleet, time_scale: float) -> list[Engine]:
    given = {"kv_tokens": fleet.kv_tokens, "max_loras": fleet.max_loras, "lora_load": fleet.lora_load}
    profile = changed(PROFILES[PROFILE], given)
    return [Engine(clock, profile.faster(speed), fleet.adapters, time_scale) for speed in fleet.speeds]

"""Times between the tokens of answers (ITL), each token counted, from the steps of engines."""

from __future__ import annotations

from headway.perf.batching import Ran
from headway.sim.measure.distribution import Distribution

__all__ = ["Pauses"]


class Pauses:
    """A Watch. The histogram alone, so that each step costs the same."""

    def __init__(self) -> None:
        self.itl = Distribution(0)
        self.prompt = 0  # tokens of prompts that were computed

    def ran(self, ran: Ran) -> None:
        self.prompt += ran.prompt
        if ran.decodes:
            self.itl.add_rising(ran.first, ran.longer, ran.steps, ran.decodes)

    def waited(self, seconds: float) -> None:
        self.itl.add(seconds)

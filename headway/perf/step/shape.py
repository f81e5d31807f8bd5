"""What one step (iteration) of an engine computes, and who says how long it takes.

A step takes whole prompts or pieces of them (chunks) and one token of each sequence that decodes (Orca, OSDI'22;
Sarathi-Serve, OSDI'24). Its time is affine in `context` and in `attended` when the rest stays, so that a run of
decode steps in which nobody comes or goes has a closed form and need not be stepped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Limits", "StepTime"]


class StepTime(Protocol):
    """Seconds of a step of one replica."""

    def seconds(self, new: int, attended: float, finishing: int, decodes: int, context: float) -> float:
        """`new`: prompt tokens computed in it. `attended`: pairs of a new token and a token it sees, over all chunks
        (of c tokens after s: c * (s + c / 2)). `finishing`: prompts of which it computes the last. `decodes`: sequences
        that get one token each; `context`: tokens they see, all together."""

    def growth(self, decodes: int) -> float:
        """Seconds that a step with so many decodes and no prompts takes longer for each further token of context."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one replica's engine. `kv_tokens`: tokens whose keys and values fit; `block`: in pieces of so many tokens."""

    kv_tokens: int
    block: int = 16
    most_sequences: int = 256
    token_budget: int = 8192

"""A gateway that has served a replica before knows how fast it is: it learned from answers like these.

Without this a simulation begins with the gateway's first belief (an 8B model on a data-centre GPU), which for a slow
replica sends the first few requests elsewhere than a gateway that has run for an hour would.
"""

from __future__ import annotations

from headway.perf.step.shape import StepTime
from headway.policy.speed import Speed

__all__ = ["served_before"]

_PROMPTS = (32, 512, 128, 256)
_RUNNING = (1, 4, 2, 3)
_CONTEXT, _ANSWER = 300, 32
"""Tokens."""
_ROUNDS = 3


def served_before(speed: Speed, step: StepTime) -> None:
    """It learns from a dozen prompts, alone, and a dozen answers, beside others."""
    for _ in range(_ROUNDS):
        for tokens in _PROMPTS:
            speed.first_token(tokens, step.seconds(tokens, tokens * tokens / 2, 1, 0, 0.0))
        for running in _RUNNING:
            context = float(running * _CONTEXT)
            each = step.seconds(0, 0.0, 0, running, context)
            speed.ended(_ANSWER, (_ANSWER - 1) * each, running, context, 0.0)

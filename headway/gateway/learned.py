"""What a model's answers have taught: bytes a token, tokens an answer, how fast its endpoints are."""

from __future__ import annotations

from headway.policy.speed import PRIOR, Speed
from headway.wire.usage import Usage

__all__ = ["Learned"]

FADE = 0.05
BYTES_PER_TOKEN = 4.0
"""English text with current tokenizers; learned within some answers."""
OUTPUT_TOKENS = 128.0


class Learned:
    """Means that follow the last few dozen answers; kept per model, whatever tables come and go."""

    __slots__ = ("bytes_per_token", "output", "speed")

    def __init__(self) -> None:
        self.bytes_per_token = BYTES_PER_TOKEN
        self.output = OUTPUT_TOKENS
        self.speed = Speed(*PRIOR)  # of its endpoints together

    def learn(self, size: int, usage: Usage) -> None:
        """`size`: bytes of the prompt's text."""
        if usage.prompt_tokens and size:
            found = min(max(size / usage.prompt_tokens, 0.5), 64.0)
            self.bytes_per_token += FADE * (found - self.bytes_per_token)
        if usage.completion_tokens:
            self.output += FADE * (usage.completion_tokens - self.output)

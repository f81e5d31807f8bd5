"""One answered request as a benchmark or a gateway saw it: all that the fit of an engine's constants needs of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Seen"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Seconds on one clock: `sent` to `replica`, its `first` and its `last` token. Tokens: `prompt` as the engine
    counted it, of which `cached` were in its prefix cache; `output`. `planned`: tokens of the prompt before the chat
    template was put around it; 0: not known."""

    replica: str
    sent: float
    first: float
    last: float
    prompt: int
    cached: int
    output: int
    planned: int = 0

    @property
    def new(self) -> int:
        """Tokens that were computed: an engine computes at least the last of a prompt."""
        return max(1, self.prompt - self.cached)

    @property
    def attended(self) -> float:
        """Pairs of a new token and one it sees."""
        return self.new * (self.prompt - self.new + self.new / 2)

    @property
    def context(self) -> float:
        """Tokens it sees while it is written, on the mean."""
        return self.prompt + self.output / 2

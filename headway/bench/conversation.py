"""A session as its user sees it: what was said so far, with the answers that really came."""

from __future__ import annotations

from collections import deque

import msgspec

from headway.bench.prompts import Prompts
from headway.perf.traffic.planned import Piece, Planned

__all__ = ["Conversation"]


class Conversation:
    """`said` is the user's and the assistant's text by turns, each as the inside of a JSON string. `free_at`: when the
    last answer had ended (None while one is awaited); `later`: turns that the schedule has named and that wait for
    it."""

    __slots__ = ("_answer", "_asked", "free_at", "later", "said")

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.free_at: float | None = None
        self.later: deque[Planned] = deque()
        self._asked: tuple[Piece, ...] = ()
        self._answer = b""

    def ask(self, planned: Planned, prompts: Prompts) -> list[bytes]:
        """All that the next turn's prompt says. Where no answer had come, the text that was planned stands for it, so
        that a server that fails is not asked for less."""
        known = len(self._asked)
        if self.said and planned.prompt[:known] == self._asked and len(planned.prompt) > known + 1:
            self.said.append(self._answer or prompts.text(planned.prompt[known : known + 1]))
            self.said.append(prompts.text(planned.prompt[known + 1 :]))
        else:  # the first, or one that (in a trace) does not say what was said before
            self.said = [prompts.text(planned.prompt)]
        self._asked, self._answer, self.free_at = planned.prompt, b"", None
        return self.said

    def answered(self, text: str, now: float) -> None:
        self.free_at = now
        self._answer = msgspec.json.encode(text)[1:-1]

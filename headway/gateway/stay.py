"""One request's stay at one endpoint: what it adds to the load there, and what its times teach.

While its prompt is being read it adds the tokens that were not cached; from the first token on it adds them to the
contexts that run there. Both are taken back when it leaves, however it leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.gateway.upstream import Upstream

__all__ = ["Stay"]


class Stay:
    __slots__ = ("_ahead", "_began", "_beside", "_first", "_left", "_uncached", "upstream")

    def __init__(self, upstream: Upstream, uncached: float, now: float) -> None:
        self.upstream, self._uncached, self._began = upstream, int(uncached), now
        self._first: float | None = None
        self._left = False
        self._beside = upstream.running  # requests there before it came
        self._ahead = upstream.pending + self._uncached
        upstream.total += 1
        upstream.add(1, self._uncached, 0)

    def first_token(self, now: float) -> None:
        """Its answer has begun to stream."""
        if self._first is None and not self._left:
            self._first = now
            self.upstream.add(0, -self._uncached, self._uncached)
            self.upstream.speed.first_token(self._ahead, now - self._began)

    def leave(self) -> None:
        if self._left:
            return
        self._left = True
        if self._first is None:
            self.upstream.add(-1, -self._uncached, 0)
        else:
            self.upstream.add(-1, 0, -self._uncached)
        self.upstream.left_by_one()

    def answered(self, now: float, tokens: int) -> None:
        """It was answered whole with so many tokens. Without a stream the first token's time is only estimated."""
        if tokens < 2:
            return
        speed = self.upstream.speed
        first = self._first - self._began if self._first is not None else speed.prefill.at(self._ahead)
        seconds = (now - self._began - first) / (tokens - 1)
        if seconds > 0:
            beside = (self._beside + self.upstream.running) / 2  # the mean of its beginning and its end
            speed.decoded(beside, seconds)

"""One request's stay at one endpoint: what it adds to the load there, and what its times teach.

While its prompt is being read it adds the tokens that were not cached; from the first token on it adds its context to
those that run there. Both are taken back when it leaves, however it leaves.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from headway.policy.routing.host import Host

__all__ = ["Stay"]

At = TypeVar("At", bound=Host)


class Stay(Generic[At]):
    """`uncached` of its prompt's tokens; `context`: all of them, and those that its answer is expected to have."""

    __slots__ = (
        "_ahead",
        "_began",
        "_beside",
        "_context",
        "_first",
        "_left",
        "_prefilled",
        "_uncached",
        "_waited",
        "upstream",
    )

    def __init__(self, upstream: At, uncached: float, context: float, now: float, *, adapter: str) -> None:
        self.upstream, self._uncached, self._context, self._began = upstream, int(uncached), int(context), now
        self._first: float | None = None
        self._left = False
        self._ahead = upstream.ahead(now, adapter) + self._uncached
        self._beside, self._prefilled = (0, 0), 0
        loads = bool(adapter) and upstream.adapters is not None and adapter not in upstream.adapters
        self._waited = loads or 0 < upstream.seats <= upstream.running  # its first token says nothing of prefill
        if adapter:
            upstream.wants_adapter(adapter, now)
        upstream.total += 1
        upstream.came(1, now)
        upstream.add(1, self._uncached, 0)

    def says_nothing(self) -> None:
        """When it was sent is not known: its first token says nothing of prefill."""
        self._waited = True

    def first_token(self, now: float) -> None:
        """Its answer has begun to stream."""
        if self._first is not None or self._left:
            return
        self._first, upstream = now, self.upstream
        upstream.add(0, -self._uncached, self._context)
        upstream.prefilled += self._uncached
        self._beside, self._prefilled = (upstream.running, upstream.context_tokens), upstream.prefilled
        if not self._waited:
            upstream.speed.first_token(self._ahead, now - self._began)

    def leave(self) -> None:
        if self._left:
            return
        self._left = True
        if self._first is None:
            self.upstream.add(-1, -self._uncached, 0)
        else:
            self.upstream.add(-1, 0, -self._context)
        self.upstream.left_by_one()

    def answered(self, now: float, tokens: int) -> None:
        """It was answered with so many tokens, as a stream."""
        if self._first is None:
            return
        upstream, (ran, held) = self.upstream, self._beside
        running = (ran + upstream.running + 1) / 2  # the means of its beginning and its end
        context = (held + upstream.context_tokens + self._context) / 2
        prefilled = upstream.prefilled - self._prefilled
        upstream.speed.ended(tokens, now - self._first, running, context, prefilled)

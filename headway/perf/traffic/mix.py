"""Which kind of talk begins next: the parts of a Workload by their weights, which are shares of requests.

A session brings several requests, so it is begun that much less often: a part of weight w whose talks have E turns on
average is begun with weight w/E.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from headway.perf.traffic.draws import stream
from headway.perf.traffic.prefixes import Prefixes
from headway.perf.traffic.talks import Talk, Talker
from headway.spec.workload import Prefix, Workload

__all__ = ["Mix"]

ROOM = 1 << 42
"""Pieces that one stage may make before the next one's begin."""


class Mix:
    """`stage`: of a closed loop, whose stages are drawn apart from one another and share no text but prefixes."""

    def __init__(self, workload: Workload, seed: int, stage: int = 0) -> None:
        draws, parts = (f"stage {stage} " if stage else ""), workload.parts
        prefixes: dict[Prefix, Prefixes] = {}
        for part in parts:
            if part.prefix is not None and part.prefix not in prefixes:
                prefixes[part.prefix] = Prefixes(part.prefix, len(prefixes), seed)
        self.talkers = [
            Talker(part, at, seed, prefixes[part.prefix] if part.prefix else None, draws=draws, first=stage * ROOM)
            for at, part in enumerate(parts)
        ]
        weights = [part.weight / talker.mean_turns() for part, talker in zip(parts, self.talkers, strict=True)]
        self._sums = list(accumulate(weights))
        self.talks_per_request = self._sums[-1] / sum(part.weight for part in parts)
        self._draw = stream(seed, f"{draws}mix").random
        self._sessions = stage * ROOM

    @property
    def look_back(self) -> float:
        return max(each.look_back for each in self.talkers)

    @property
    def has_turns(self) -> bool:
        return any(each.has_turns for each in self.talkers)

    def talker(self) -> Talker:
        """Whose talk begins next."""
        talkers = self.talkers
        if len(talkers) == 1:
            return talkers[0]
        return talkers[min(bisect_right(self._sums, self._draw() * self._sums[-1]), len(talkers) - 1)]

    def session(self, talker: Talker, age: float = 0.0) -> Talk | None:
        """The next one of a talker who has them. `age` and None: see `Talker.talk`."""
        talk = talker.talk(age)
        if talk is not None:
            talk.session = self._sessions
            self._sessions += 1
        return talk

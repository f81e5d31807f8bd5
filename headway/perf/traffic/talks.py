"""What callers say: a talk is a session of several turns, or one request alone.

Each turn's prompt is all that was said before (prefix, questions, answers) and a new question. Every quantity has its
own stream of random numbers, drawn in the order in which talks begin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

from headway.perf.traffic.draws import stream
from headway.perf.traffic.lengths import Law, law, mean
from headway.perf.traffic.pieces import ANSWER, OWN, fitted, piece_id
from headway.perf.traffic.planned import Piece, Planned
from headway.perf.traffic.prefixes import Prefixes
from headway.spec.pause import Pause
from headway.spec.workload import Part

__all__ = ["Talk", "Talker"]

LONGEST_LOOK_BACK = 3600.0
"""Seconds before the start; what began still earlier is not there. Only talks with hours of thinking are concerned."""
TALKS_RECKONED = 2000


@dataclass(slots=True)
class Talk:
    """`offsets`: of its turns since its beginning, as if answers took no time. `first`: turns before it are history.
    `pieces`: of all turns, one after the other, question and answer in turn, after the `base` ones of the prefix."""

    talker: Talker
    offsets: list[float]
    outputs: list[int]
    cancels: list[int | None]
    pieces: list[Piece]
    base: int
    first: int = 0
    session: int = -1

    def __len__(self) -> int:
        return len(self.outputs)

    def planned(self, turn: int, number: int, at: float, stage: int) -> Planned:
        part = self.talker.part
        return Planned(
            number,
            at,
            stage,
            part.operation or "chat",
            part.model or "",
            tuple(self.pieces[: self.base + 2 * turn + 1]),
            self.outputs[turn],
            part.tenant or "",
            part.adapter or "",
            self.session,
            turn - self.first,
            self.offsets[turn] - self.offsets[turn - 1] if turn > self.first else 0.0,
            self.talker.is_streamed,
            self.cancels[turn],
            self.talker.index,
            turn + 1 == len(self.outputs),
        )


class Talker:
    """The callers of one part of a mix. `first`: the number of its first Piece, so that two Talkers of one part share
    none; `draws` names its streams."""

    def __init__(
        self, part: Part, index: int, seed: int, prefixes: Prefixes | None, *, draws: str = "", first: int = 0
    ) -> None:
        self.part, self.index = part, index
        self.is_streamed = part.stream is not False and part.operation != "embedding"
        self._prefixes, self._count, self._context = prefixes, first, part.context
        self._said = part.model or "", part.operation or "chat", part.tenant or "", part.adapter or "", index
        self._turns = law(part.sessions.turns) if part.sessions else None
        self._pause = part.sessions.think if part.sessions else None
        self._prompt: Law = law(part.prompt) if part.prompt else lambda _: 1
        self._output: Law = law(part.output) if part.output else lambda _: 0
        self._after = law(part.cancel.after) if part.cancel else None
        of = f"{draws}part {index} "
        self._drawn_turns = stream(seed, f"{of}turns").random
        self._drawn_think = stream(seed, f"{of}think").random
        self._drawn_prompt = stream(seed, f"{of}prompt").random
        self._drawn_output = stream(seed, f"{of}output").random
        self._drawn_prefix = stream(seed, f"{of}prefix").random
        self._drawn_cancel = stream(seed, f"{of}cancel").random
        self._drawn_after = stream(seed, f"{of}after").random

    @property
    def has_turns(self) -> bool:
        return self._turns is not None

    @property
    def look_back(self) -> float:
        """Seconds before the start in which a talk may have begun that is still going on then."""
        if self._turns is None or self._pause is None:
            return 0.0
        pauses = self._turns(0.999) - 1
        if self._pause.mean is None:
            return min(pauses * (self._pause.max or 0.0), LONGEST_LOOK_BACK)
        # The sum of n exponential times: mean n, standard deviation sqrt(n).
        return min((pauses + 4 * math.sqrt(pauses)) * self._pause.mean, LONGEST_LOOK_BACK)

    def mean_turns(self) -> float:
        """Of a talk, those that the window cuts off left out."""
        if self._turns is None:
            return 1.0
        if self._context is None:
            return mean(self._turns)
        alike = Talker(self.part, self.index, 0, self._prefixes, draws="reckoned ")
        return sum(len(alike.talk() or ()) for _ in range(TALKS_RECKONED)) / TALKS_RECKONED

    def alone(self, number: int, at: float, stage: int) -> Planned:
        """The next one, of callers without sessions. As `talk` and its first turn, without what only turns need."""
        own = Piece(piece_id(OWN, self.index, self._count), self._prompt(self._drawn_prompt()))
        self._count += 1
        output = self._output(self._drawn_output())
        prompt: tuple[Piece, ...] = (own,)
        if self._prefixes is not None:
            prompt = self._prefixes.pick(self._drawn_prefix()), own
        cancel = self._cancel(output) if self._after is not None else None
        if self._context is not None and sum(each.tokens for each in prompt) + output > self._context:
            prompt, output = fitted(prompt, output, self._context)
            cancel = None if cancel is None or output < 2 else min(cancel, output - 1)
        model, operation, tenant, adapter, index = self._said
        return Planned(
            number, at, stage, operation, model, prompt, output, tenant, adapter,
            -1, 0, 0.0, self.is_streamed, cancel, index,
        )  # fmt: skip

    def talk(self, age: float = 0.0) -> Talk | None:
        """The next one. `age`: seconds that it has been going on when the schedule begins; turns of that time are
        history. None: it is over by then."""
        offsets = self._offsets()
        if offsets[-1] < age:
            return None
        pieces = [] if self._prefixes is None else [self._prefixes.pick(self._drawn_prefix())]
        talk = Talk(self, offsets, [], [], pieces, len(pieces))
        for turn in range(len(offsets)):
            if not self._say(talk, turn):
                break
        del offsets[len(talk) :]
        while talk.first < len(offsets) and offsets[talk.first] < age:
            talk.first += 1
        return talk if talk.first < len(offsets) else None

    def _offsets(self) -> list[float]:
        if self._turns is None or self._pause is None:
            return [0.0]
        pause, drawn = self._pause, self._drawn_think
        turns = self._turns(self._drawn_turns())
        return list(accumulate((_pause(pause, drawn()) for _ in range(turns - 1)), initial=0.0))

    def _say(self, talk: Talk, turn: int) -> bool:
        """One more question and answer; False when they do not fit the window."""
        own = Piece(piece_id(OWN, self.index, self._count), self._prompt(self._drawn_prompt()))
        output = self._output(self._drawn_output())
        cancel = self._cancel(output)
        if self._context is not None and sum(each.tokens for each in talk.pieces) + own.tokens + output > self._context:
            if turn:
                return False
            prompt, output = fitted((*talk.pieces, own), output, self._context)
            talk.pieces[:], own = prompt[:-1], prompt[-1]
            talk.base = len(talk.pieces)
            cancel = None if cancel is None or output < 2 else min(cancel, output - 1)
        talk.pieces += (own, Piece(piece_id(ANSWER, self.index, self._count), output))
        self._count += 1
        talk.outputs.append(output)
        talk.cancels.append(cancel)
        return True

    def _cancel(self, output: int) -> int | None:
        """After how many tokens the caller leaves; an answer of one token is had whole."""
        if self._after is None or self.part.cancel is None:
            return None
        leaves, after = self._drawn_cancel() < self.part.cancel.share, self._after(self._drawn_after())
        return min(after, output - 1) if leaves and output > 1 else None


def _pause(pause: Pause, part: float) -> float:
    if pause.mean is not None:
        return -pause.mean * math.log(1 - part)
    low, high = pause.min or 0.0, pause.max or 0.0
    return low + (high - low) * part

"""One answer on its way: from a sequence's tokens to the caller's connection, with what is to go wrong.

A step of the engine tells each of its answers once: an answer is one write, however many tokens are due.
"""

from __future__ import annotations

from headway.engines.mock_core import Core
from headway.engines.mock_faults import Fault
from headway.engines.mock_http import Exchange
from headway.engines.mock_question import Question
from headway.engines.mock_sequence import Sequence
from headway.engines.mock_voice import DONE, Voice

__all__ = ["Telling"]

BROKEN_EVENT = b'data: {"id": "broken", "choices": [{"index": 0, "delta": {"content": \n\n'
BROKEN_BODY = b'{"id": "broken", "choices": [{"index": 0, "message": {"content": '


class Telling:
    """Writes the answer of `sequence` to `exchange`. A caller that leaves, or a fault, cancels it in the core."""

    def __init__(self, exchange: Exchange, question: Question, voice: Voice, fault: Fault, core: Core) -> None:
        self._exchange, self._question, self._voice, self._fault = exchange, question, voice, fault
        self._core = core
        self._told = 0
        breaks = fault.after("half-close-after"), fault.after("reset-after")
        self._break_at = next((at for at in breaks if at is not None), None)
        self.sequence = Sequence(
            question.prompt,
            question.said,
            question.length,
            question.adapter,
            question.salt,
            hold_at=fault.after("stall-after"),
            told=self._one_more,
        )
        exchange.left = self._gone
        exchange.drained = self._catch_up

    @property
    def breaking(self) -> bool:
        """Whether the answer is to break off here. One that ends before is not broken."""
        return self._break_at is not None and self.sequence.produced >= self._break_at

    def break_off(self) -> None:
        """The fault that was asked for: the rest of the answer is never written."""
        if self._fault.kind == "reset-after":
            self._exchange.reset()
            return
        if not self._question.stream and self.sequence.produced:
            self._exchange.cut_short(self._voice.whole(self.sequence.produced, self.sequence.cached))
        self._exchange.half_close()

    def _one_more(self) -> None:
        sequence = self.sequence
        if sequence.done:
            self._core.counts.finish(
                sequence, "stop" if self._question.finish == "tool_calls" else self._question.finish
            )
            self._exchange.left = _nothing_to_cancel
        if self._question.stream:
            if self._exchange.writable:
                self._catch_up()
        elif sequence.done and not self.breaking:
            self._whole()
        if self.breaking:
            if not sequence.done:
                self._core.cancel(sequence)
            self.break_off()

    def _catch_up(self) -> None:
        """Write the tokens that are due, and after the last one the end."""
        sequence, voice, begin = self.sequence, self._voice, self._told
        if not self._question.stream or begin == sequence.produced:
            return
        self._told = sequence.produced
        piece, said = voice.piece, self._question.said.piece
        events = b"".join([piece(said(index)) for index in range(begin, sequence.produced)])
        if begin == 0:
            events = voice.opening() + events + (BROKEN_EVENT if self._fault.kind == "malformed" else b"")
        last = sequence.done and not self.breaking
        self._exchange.events(events + self._closing() if last else events, last=last)

    def _closing(self) -> bytes:
        if self._fault.kind == "no-done":
            return b""
        last = self._voice.closing(self.sequence.produced, self.sequence.cached)
        return last if self._question.kind == "response" else last + DONE

    def _whole(self) -> None:
        body = self._voice.whole(self.sequence.produced, self.sequence.cached)
        self._exchange.send(200, "application/json", BROKEN_BODY if self._fault.kind == "malformed" else body)

    def _gone(self) -> None:
        self._core.cancel(self.sequence)


def _nothing_to_cancel() -> None:
    """The engine is done with it; only writing was left."""

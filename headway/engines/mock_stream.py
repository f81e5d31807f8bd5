"""One answer on its way: from a sequence's tokens to the caller's connection, as its script has it, with what is to go
wrong.

A step of the engine tells each of its answers once: an answer is one write, however many tokens are due.
"""

from __future__ import annotations

import asyncio

from headway.engines.mock_core import Core
from headway.engines.mock_faults import Fault
from headway.engines.mock_http import Exchange
from headway.engines.mock_parts import Parts
from headway.engines.mock_question import Question
from headway.engines.mock_script import Script
from headway.engines.mock_sequence import Sequence
from headway.engines.mock_voice import DONE, Voice

__all__ = ["Telling"]

BROKEN_EVENT = b'data: {"id": "broken", "choices": [{"index": 0, "delta": {"content": \n\n'
BROKEN_BODY = b'{"id": "broken", "choices": [{"index": 0, "message": {"content": '
COMMENT = b": keep-alive\n\n"


class Telling:
    """Writes the answer of `sequence` to `exchange`. A caller that leaves, or a fault, cancels it in the core."""

    def __init__(
        self, exchange: Exchange, question: Question, voice: Voice, fault: Fault, *, script: Script, core: Core
    ) -> None:
        self._exchange, self._question, self._voice, self._fault = exchange, question, voice, fault
        self._script, self._core = script, core
        self._made = 0  # tokens of which events were made
        self._told = 0  # tokens of which events were written to their end
        self._opened = False
        breaks = fault.after("half-close-after"), fault.after("reset-after"), fault.after("error-after")
        self._break_at = next((at for at in breaks if at is not None), None)
        self.sequence = Sequence(
            question.prompt,
            question.said,
            question.length,
            question.adapter,
            question.salt,
            hold_at=fault.after("stall-after"),
            told=self._one_more,
            ttft=script.ttft,
            itl=script.itl,
        )
        exchange.left = self._gone
        exchange.drained = self._catch_up

    @property
    def breaking(self) -> bool:
        """Whether the answer is to break off here. One that ends before is not broken."""
        return self._break_at is not None and self.sequence.produced >= self._break_at

    def begin(self) -> None:
        """What comes before there is a token."""
        if not self._question.stream:
            return
        if self._script.keep_alive is not None:
            asyncio.get_running_loop().call_later(self._script.keep_alive, self._comment, self._script.keep_alive)
        if self._core.stalled:
            return
        if self._script.empty_first:
            self._opened = True
            self._exchange.events(self._voice.opening() or self._voice.piece(b"", 0))
        self._begin_next()

    def break_off(self) -> None:
        """The fault that was asked for: the rest of the answer is never written."""
        if self._fault.kind == "reset-after":
            self._exchange.reset()
        elif self._fault.kind == "error-after":
            self._say_error()
        else:
            if not self._question.stream and self.sequence.produced:
                self._exchange.cut_short(self._voice.whole(self.sequence.produced, self.sequence.cached))
            self._exchange.half_close()

    def _say_error(self) -> None:
        message = f"told to fail after {self._break_at} tokens"
        if self._question.stream:
            self._exchange.events(self._voice.error(message), last=True)
        else:
            self._exchange.error(500, message, "server_error")

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
        """Write the events whose tokens are all there, and after the last one the end."""
        sequence = self.sequence
        if not self._question.stream or self._made > sequence.produced:
            return  # the next event is half written, and its time has not come
        events = []
        while self._made < (end := self._chunk_end()) <= sequence.produced:
            events.append(self._event(end))
        if self._told == self._made:
            return
        if self._told == 0 and self._fault.kind == "malformed":
            events.append(BROKEN_EVENT)
        self._told = self._made
        self._exchange.told(self._told)
        last = sequence.done and not self.breaking
        if last:
            events.append(self._closing())
        self._exchange.events(b"".join(events), last=last)
        if not last and not self.breaking:
            self._begin_next()

    def _chunk_end(self) -> int:
        """Up to where the next event's tokens go. The first event has one token, as an engine's prefill brings."""
        begin, length = self._made, self.sequence.length
        if begin in (0, length):
            return begin or 1
        end = min(begin + self._script.chunk, length)
        said = self._question.said
        return said.together(begin, end) if isinstance(said, Parts) else end

    def _event(self, end: int) -> bytes:
        """What the tokens up to `end` are told with."""
        piece, begin = self._question.said.piece, self._made
        text = piece(begin) if end == begin + 1 else b"".join([piece(index) for index in range(begin, end)])
        event = self._voice.piece(text, end)
        if not self._opened:
            self._opened = True
            event = self._voice.opening() + event
        self._made = end
        return event

    def _begin_next(self) -> None:
        """With `split`, the beginning of the event that comes next is written now, the rest of it at its time: so the
        two are never read as one, and the time at which the event was whole is exact."""
        if not self._script.split or self._made == self.sequence.length or not self._exchange.writable:
            return
        number = self._made
        event = self._event(self._chunk_end())
        self._exchange.begin_event(event, _cut(event, self._script.split, number))

    def _comment(self, seconds: float) -> None:
        if self._exchange.answering and not self.breaking:
            if self._exchange.writable and not self._core.stalled:
                self._exchange.events(COMMENT)
            asyncio.get_running_loop().call_later(seconds, self._comment, seconds)

    def _closing(self) -> bytes:
        if self._fault.kind == "no-done":
            return b""
        last = self._voice.closing(self.sequence.produced, self.sequence.cached)
        return last if self._question.kind == "response" else last + DONE

    def _whole(self) -> None:
        body = self._voice.whole(self.sequence.produced, self.sequence.cached)
        self._exchange.told(self.sequence.produced)
        self._exchange.send(200, "application/json", BROKEN_BODY if self._fault.kind == "malformed" else body)

    def _gone(self) -> None:
        self._core.cancel(self.sequence)


def _cut(event: bytes, split: str, number: int) -> int:
    """Where an event breaks: within its first character of several bytes, or anywhere, each time elsewhere."""
    if split == "utf8":
        long = next((at for at, byte in enumerate(event) if byte >= 0xC0), len(event) // 2)
        return long + 1
    return 1 + number * 7 % (len(event) - 1)


def _nothing_to_cancel() -> None:
    """The engine is done with it; only writing was left."""

"""An answer as it comes in: when each piece of its content came, how large it was, and how it ended.

The events of a stream differ in their text alone. So one event is read as JSON and the bytes around its text are
kept; an event that has just these bytes around a text without quotes and backslashes is of the same shape, and its
text's length is all that is looked at; where each event brings usage, the numbers behind the text may differ too, and
the count of tokens among them is read. Every other event (a role, a finish, usage, an error, another field) is read
as JSON.
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from headway.bench.said import Piece, read, trouble_of
from headway.wire.sse import EventSplitter, data_of
from headway.wire.tail import TAIL_BYTES, read_usage
from headway.wire.usage import Usage

__all__ = ["Answer", "Refused", "Streamed", "Vectors", "Whole"]

_DIGITS: Final = b"0123456789"
_COMPLETION: Final = re.compile(rb'"completion_tokens": ?(\d+)')
_MOST_PENDING: Final = 8 << 20
_MOST_BODY: Final = 256 << 20
_MOST_REFUSAL: Final = 64 << 10


class Answer(Protocol):
    """One body. `usage`, `finish` and `text` (if it was to be kept) are known at the end."""

    @property
    def trouble(self) -> str:
        """What is wrong with it; "" = nothing yet."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def finish(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def ended(self) -> bool:
        """No more is wanted of it."""

    def push(self, data: bytes, now: float) -> None: ...

    def close(self, now: float) -> None:
        """The body is whole."""


class Streamed:
    """Server-sent events. `times` are those of the pieces of content, one for each event that brought any; `sizes`
    their bytes of text. `keeps`: the text is wanted."""

    __slots__ = (
        "_counted",
        "_done",
        "_head",
        "_keeps",
        "_kept",
        "_shape",
        "_splitter",
        "_tail",
        "_tokens",
        "_told",
        "finish",
        "sizes",
        "times",
        "trouble",
        "usage",
    )

    def __init__(self, keeps: bool = False) -> None:
        self.times: list[float] = []
        self.sizes: list[int] = []
        self.trouble = self.finish = ""
        self.usage: Usage | None = None
        self._done = False
        self._splitter = EventSplitter()
        self._head = self._tail = self._shape = b""
        self._keeps, self._told = keeps, False
        self._kept: list[str] = []
        self._tokens: list[int] = []
        self._counted = 0

    @property
    def ended(self) -> bool:
        return self._done or self.trouble != ""

    @property
    def text(self) -> str:
        return "".join(self._kept)

    @property
    def tokens(self) -> list[int] | None:
        """Tokens of each piece, if the server told with each (continuous usage)."""
        return self._tokens if len(self._tokens) == len(self.times) else None

    @property
    def received(self) -> int:
        """Tokens so far, as far as can be seen."""
        return self._counted if self.tokens else len(self.times)

    def push(self, data: bytes, now: float) -> None:
        if self._head and data.startswith(self._head) and not self._splitter.pending and self._measure(data, now):
            return
        pending = self._splitter.pending
        events = self._splitter.push(data)
        single = data if not pending and len(events) == len(data) and _is_single(data) else b""
        for payload in data_of(events):
            self._take(payload, now, single)
            if self.ended:
                return
        if self._splitter.pending > _MOST_PENDING:
            self.trouble = "an event does not end"

    def _measure(self, data: bytes, now: float) -> bool:
        """Whether it is the event that was learnt with another text (and, with usage, with other numbers behind it)."""
        begin = len(self._head)
        if self._shape:
            end = data.find(b'"', begin)
            tail = data[end:]
            told = _COMPLETION.search(tail)
            if end < 0 or told is None or tail.translate(None, _DIGITS) != self._shape:
                return False
        else:
            end, told = len(data) - len(self._tail), None
            if not data.endswith(self._tail):
                return False
        text = data[begin:end]
        if not text or b'"' in text or b"\\" in text:
            return False
        self.times.append(now)
        self.sizes.append(len(text))
        if told is not None and self.usage is not None:
            self._count(int(told[1]))
            self.usage.completion_tokens = self._counted
        if self._told:
            self._kept.append(text.decode(errors="replace"))
        return True

    def _count(self, tokens: int) -> None:
        """So many of the whole answer have come with this piece."""
        self._tokens.append(max(0, tokens - self._counted))
        self._counted = tokens

    def close(self, now: float) -> None:
        if self.ended:
            return
        for payload in data_of(self._splitter.rest + b"\n\n"):
            self._take(payload, now, b"")
        if not (self._done or self.trouble or self.finish):
            self.trouble = "the stream ended without finish_reason and [DONE]"

    def _take(self, payload: bytes, now: float, event: bytes) -> None:
        if payload.strip() == b"[DONE]":
            self._done = True
            return
        said = read(payload)
        if said is None:
            self.trouble = f"an event is not what the API says: {payload[:80].decode(errors='replace')}"
            return
        self.trouble = said.trouble
        self.finish = said.finish or self.finish
        pieces = said.pieces()
        if said.usage is not None:
            self.usage = said.usage
        if not pieces:
            return
        self.times.append(now)
        self.sizes.append(sum(len(text.encode(errors="replace")) for _, text in pieces))
        if self._keeps:
            self._kept += [text for name, text in pieces if name in _SPOKEN]
        if said.usage is not None and said.usage.completion_tokens is not None:
            self._count(said.usage.completion_tokens)
        if event and not said.finish and len(pieces) == 1:
            self._learn(event, pieces[0], counted=said.usage is not None)

    def _learn(self, event: bytes, piece: Piece, *, counted: bool) -> None:
        """Keep what is around the text, if it stands there once and as it is."""
        name, text = piece
        raw = text.encode(errors="replace")
        for form in (b'"%b":"%b"', b'"%b": "%b"'):
            field = form % (name, raw)
            if event.count(field) == 1:
                at = event.find(field) + len(field) - len(raw) - 1
                self._head, self._tail = event[:at], event[at + len(raw) :]
                self._shape = self._tail.translate(None, _DIGITS) if counted else b""
                self._told = self._keeps and name in _SPOKEN
                return


_SPOKEN: Final = (b"content", b"text")
"""What a caller puts into the conversation as the assistant's turn; reasoning is left out of it."""


def _is_single(data: bytes) -> bool:
    """One event of one line."""
    return data.startswith(b"data:") and data.count(b"\n") == 2


class _Body:
    """What comes in one piece, kept up to a bound."""

    def __init__(self, most: int) -> None:
        self.trouble = self.finish = self.text = ""
        self.usage: Usage | None = None
        self._parts: list[bytes] = []
        self._room = most

    @property
    def ended(self) -> bool:
        return bool(self.trouble)

    def push(self, data: bytes, now: float) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self._parts.append(data)

    @property
    def body(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)


class Whole(_Body):
    """A chat or completion that is not streamed."""

    def __init__(self) -> None:
        super().__init__(_MOST_BODY)

    def close(self, now: float) -> None:
        said = read(self.body)
        if said is None or (said.choices is None and not said.trouble):
            self.trouble = f"the answer is not what the API says: {self.body[:80].decode(errors='replace')}"
            return
        self.trouble, self.finish, self.usage = said.trouble, said.finish, said.usage
        self.text = "".join(text for name, text in said.pieces() if name in _SPOKEN)


class Vectors(_Body):
    """Embeddings: numbers by the thousand, of which only the usage behind them is read."""

    def __init__(self) -> None:
        super().__init__(_MOST_BODY)

    def close(self, now: float) -> None:
        body = self.body.strip()
        self.usage = read_usage(body[-TAIL_BYTES:]) or read_usage(body[:TAIL_BYTES])
        if b'"embedding"' not in body[:TAIL_BYTES] or not body.startswith(b"{") or not body.endswith(b"}"):
            said = read(body)
            self.trouble = (said.trouble if said else "") or "the answer holds no embeddings"


class Refused(_Body):
    """An answer that is no success: what it says is the trouble."""

    def __init__(self) -> None:
        super().__init__(_MOST_REFUSAL)

    def close(self, now: float) -> None:
        self.trouble = trouble_of(self.body) or "no words"

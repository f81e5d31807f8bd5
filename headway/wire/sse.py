"""Server-sent events as they come off a connection: cut into whole events, looked at, made.

Only as much is read as a relay needs: where an event ends, whether it carries data, whether the stream said
that it is done. An event ends at an empty line; lines end in LF or CRLF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["EventSplitter", "count_data", "data_event", "data_of", "is_done", "says_error", "without_usage_event"]


class EventSplitter:
    """Bytes in, whole events out; the rest is kept until it is whole."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    @property
    def pending(self) -> int:
        """Bytes of the event that is not yet whole."""
        return len(self._rest)

    @property
    def rest(self) -> bytes:
        """The event that is not yet whole."""
        return self._rest

    def push(self, data: bytes) -> bytes:
        """All whole events that `data` completes, in one piece; empty when there is none."""
        if not self._rest and data.endswith(b"\n\n"):
            return data
        searched = max(0, len(self._rest) - 3)
        data = self._rest + data
        end = max(_after(data, b"\n\n", searched), _after(data, b"\n\r\n", searched))
        self._rest = data[end:]
        return data[:end]


def _after(data: bytes, mark: bytes, start: int) -> int:
    found = data.rfind(mark, start)
    return 0 if found < 0 else found + len(mark)


def count_data(events: bytes) -> int:
    """How many `data:` lines the whole events hold."""
    return events.count(b"\ndata:") + events.startswith(b"data:")


def is_done(events: bytes) -> bool:
    """Whether the last of the whole events is the `[DONE]` with which an OpenAI stream ends."""
    return events[-24:].rstrip().endswith((b"data: [DONE]", b"data:[DONE]"))


def says_error(events: bytes) -> bool:
    """Whether the last data line of the whole events is an error object."""
    last = events.rfind(b"\ndata:") + 1
    return events[last : last + 64].replace(b" ", b"").startswith(b'data:{"error":')


def without_usage_event(events: bytes) -> bytes:
    """The whole events but for the one that OpenAI adds for `include_usage`: a usage and no choices."""
    if b'"choices":[]' not in events.replace(b" ", b""):
        return events
    kept = [event for event in _EVENT.findall(events) if not _is_usage_event(event)]
    return b"".join(kept)


_EVENT: Final = re.compile(rb".*?\n\r?\n", re.DOTALL)


def _is_usage_event(event: bytes) -> bool:
    plain = event.replace(b" ", b"")
    return b'"usage":{' in plain and b'"choices":[]' in plain


def data_event(payload: bytes) -> bytes:
    return b"data: %b\n\n" % payload


def data_of(events: bytes) -> Iterator[bytes]:
    """The data of each of the whole events; of several lines, joined. Comments and other fields are passed over."""
    for event in _EVENT.findall(events):
        lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
        if lines:
            yield b"\n".join(lines)

"""How an answer comes, word by word: exact times, and the shapes of streams that clients stumble over. Pure.

A script is `ttft=50ms itl=10ms chunk=4 first=empty usage=last keep-alive=20ms split=utf8 tokens=+5`, any of it, in the
header `x-mock-script` or the flag `--script`. What it leaves out is as the engine was started. What goes wrong with
an answer is no script but a fault (mock_faults).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from headway.engines.mock_text import BadRequest
from headway.spec.units import parse_duration

__all__ = ["PLAIN", "WORDS", "Script", "Usage", "parse"]

Usage = Literal["none", "last", "continuous"]
Split = Literal["", "utf8", "tcp"]


@dataclass(frozen=True, slots=True)
class Script:
    """`ttft` and `itl` are the engine's seconds, `keep_alive` yours. None = as the engine, or the request, says.

    `ttft`: from the request's first byte to the first token. `itl`: from a token to the next. `chunk`: tokens of each
    event but the first, which has one. `empty_first`: an event without any token comes at once. `usage`: said so,
    whatever the request asks for. `keep_alive`: a comment each time so long after the last. `split`: the beginning of
    each event comes before its time, cut within a character of several bytes or somewhere. `tokens`: so many more
    than the request asks for.
    """

    ttft: float | None = None
    itl: float | None = None
    chunk: int = 1
    empty_first: bool = False
    usage: Usage | None = None
    keep_alive: float | None = None
    split: Split = ""
    tokens: int = 0

    @property
    def paced(self) -> bool:
        """Whether it has times of its own."""
        return self.ttft is not None or self.itl is not None


PLAIN = Script()
SHORTEST = 0.001
"""Seconds between two comments."""


def parse(text: str, under: Script = PLAIN) -> Script:
    """The script that `text` says, laid over `under`. Raises BadRequest that says what is wrong with it."""
    said: dict[str, Any] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        if name not in WORDS:
            raise BadRequest(f"script: found {name!r}; use some of {', '.join(WORDS)}")
        field, read, form = WORDS[name]
        try:
            said[field] = read(value)
        except (KeyError, ValueError):
            raise BadRequest(f"script: {name}: found {value!r}; write {form}") from None
    script = replace(under, **said)
    if script.split and script.keep_alive is not None:
        raise BadRequest("script: with split an event is always half written: leave keep-alive out")
    return script


def _chunk(text: str) -> int:
    if (tokens := int(text)) < 1:
        raise ValueError(text)
    return tokens


def _often(text: str) -> float:
    if (seconds := parse_duration(text)) < SHORTEST:
        raise ValueError(text)
    return seconds


def _more(text: str) -> int:
    if text[:1] not in ("+", "-"):
        raise ValueError(text)
    return int(text)


_FIRST = {"empty": True, "token": False}
_USAGES: Mapping[str, Usage] = {"none": "none", "last": "last", "continuous": "continuous"}
_SPLITS: Mapping[str, Split] = {"utf8": "utf8", "tcp": "tcp"}

WORDS: Mapping[str, tuple[str, Callable[[str], Any], str]] = {
    "ttft": ("ttft", parse_duration, "a duration like 50ms"),
    "itl": ("itl", parse_duration, "a duration like 10ms"),
    "chunk": ("chunk", _chunk, "tokens of an event, like 4"),
    "first": ("empty_first", _FIRST.__getitem__, "empty or token"),
    "usage": ("usage", _USAGES.__getitem__, "none, last or continuous"),
    "keep-alive": ("keep_alive", _often, "a duration of 1ms or more, like 20ms"),
    "split": ("split", _SPLITS.__getitem__, "utf8 or tcp"),
    "tokens": ("tokens", _more, "how many more or fewer, like +5 or -5"),
}
"""Word -> the field it sets, its reader, and what to write."""

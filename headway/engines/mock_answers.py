"""What the mock engine says, made of the request alone: the same question has the same answer everywhere. Pure.

Prattle is short words without end, four bytes each, so one token each; Abroad is the same with letters of several
bytes. A Recital is a fixed text: a tool's arguments, or the smallest JSON that fits a schema.
"""

from __future__ import annotations

import random
import zlib
from typing import Any

import msgspec

from headway.engines.mock_text import TOKEN_BYTES

__all__ = ["Abroad", "Prattle", "Recital", "Said", "sample"]

_FIRST = (b"Well", b"Here", b"Then", b"Look", b"Soon", b"Just", b"Once", b"Each")
_SHORT = (
    b"act air arm art ash axe bag bay bed bee bow box bus cab cap car cod cow cup day den dew dot ear egg elk elm eye "
    b"fan fig fin fir fog fox gem hat hay hen hub ice ink inn ivy jam jar jet joy key kit law leg log map mud net nut "
    b"oak oar oat owl pad pan paw pea"
)
_COUNT = 4096
_draw = random.Random(16)  # noqa: S311 - the same table everywhere
_TABLE = b"".join(b" " + word for word in _draw.choices(_SHORT.split(), k=_COUNT))
_FAR = (" né", " où", " ça", " él", " ñu", " fø", " μm", " 日", " 本", " 語", "😀", "🌍")
_FAR_TABLE = b"".join(word.encode() for word in _draw.choices(_FAR, k=_COUNT))


class Prattle:
    """Words without end: where in the table it begins is the prompt's checksum."""

    __slots__ = ("_seed",)

    length: int | None = None

    def __init__(self, prompt: bytes) -> None:
        self._seed = zlib.crc32(prompt)

    def piece(self, index: int) -> bytes:
        """One token, as it stands in a JSON string."""
        if index == 0:
            return _FIRST[self._seed % len(_FIRST)]
        at = (self._seed + index) % _COUNT * TOKEN_BYTES
        return _TABLE[at : at + TOKEN_BYTES]

    def tokens(self, start: int, end: int) -> bytes:
        return b"".join([self.piece(index) for index in range(start, end)])

    def text(self, end: int) -> str:
        return self.tokens(0, end).decode()


class Abroad(Prattle):
    """Each of its tokens has a character of two, three or four bytes."""

    __slots__ = ()

    def piece(self, index: int) -> bytes:
        at = (self._seed + index) % _COUNT * TOKEN_BYTES
        return _FAR_TABLE[at : at + TOKEN_BYTES]


class Recital:
    """A fixed ASCII text; its last token may be short."""

    __slots__ = ("_text", "length")

    def __init__(self, text: str) -> None:
        self._text = text.encode("ascii", "replace")
        self.length: int | None = max(1, -(-len(self._text) // TOKEN_BYTES))

    def piece(self, index: int) -> bytes:
        return msgspec.json.encode(self._text[index * TOKEN_BYTES : (index + 1) * TOKEN_BYTES].decode())[1:-1]

    def tokens(self, start: int, end: int) -> bytes:
        return self._text[start * TOKEN_BYTES : end * TOKEN_BYTES].ljust((end - start) * TOKEN_BYTES, b"\0")

    def text(self, end: int) -> str:
        return self._text[: end * TOKEN_BYTES].decode()


Said = Prattle | Recital


def sample(schema: Any, depth: int = 8) -> Any:
    """A small value that fits a JSON schema, as far as types, required properties, enum, const and defaults go."""
    if not isinstance(schema, dict) or depth == 0:
        return {}
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or (kind is None and "properties" in schema):
        known = schema.get("properties") or {}
        return {name: sample(known.get(name, {}), depth - 1) for name in schema.get("required") or ()}
    plain = {"string": "text", "integer": schema.get("minimum", 1), "number": schema.get("minimum", 1.5)}
    if kind == "array":
        return [sample(schema.get("items"), depth - 1)] * int(schema.get("minItems", 1))
    return plain.get(str(kind), {"boolean": True, "null": None}.get(str(kind), {}))

"""Reads the header of a GGUF file: what the model is, and whether the file is whole. Weights are never read.

The format is little-endian: magic, version, counts, then key-value pairs, then one entry per tensor (name,
shape, type, offset), then the tensors' data. Format and type sizes: the GGUF specification in ggml's docs,
and ggml.h. The reader is bounded: a header that claims more than the file holds is told as corrupt before
anything of that size is made.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from headway.engines import stamps
from headway.errors import SourceError

__all__ = ["ENCODERS", "Facts", "Header", "header", "read"]

ENCODERS = frozenset(
    {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "gemma-embedding"}
)
"""Architectures that embed and do not generate."""

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_PAIRS = 100_000
MOST_TENSORS = 1_000_000
DEEPEST_ARRAY = 3
STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
LONGEST_KEPT = 4096
"""Arrays over so many entries (the vocabulary) are stepped over."""

TYPES = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17),
}  # fmt: skip
"""ggml type -> (values in a block, bytes of a block). A newer type is not known: such a tensor counts by its
offset."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What placement and the command line need to know. Zero = the header does not say."""

    architecture: str
    layers: int
    context: int  # the longest the model was trained for, tokens
    embedding: int
    kv_heads: int  # over all layers
    key_length: int
    value_length: int
    vocabulary: int
    chat_template: bool
    file_bytes: int

    @property
    def embeds(self) -> bool:
        return self.architecture in ENCODERS


@dataclass(frozen=True, slots=True)
class Header:
    """`pairs`: what the file says of itself; of an array over LONGEST_KEPT (the vocabulary) only its length.
    `tensors`: the names of those that belong to no layer."""

    pairs: Mapping[str, Any]
    tensors: frozenset[str]
    file_bytes: int


class _Corrupt(Exception):
    pass


def read(path: Path) -> Facts:
    """The facts, remembered for as long as the file does not change. Raises SourceError for what is wrong
    with the file."""
    with _telling(path):
        if known := stamps.recall(path, "gguf"):
            return Facts(**known)
        found = _read(path)
        facts = _facts(found.pairs, found.file_bytes)
    stamps.remember(path, "gguf", asdict(facts))
    return facts


def header(path: Path) -> Header:
    """All that the header says. Raises SourceError like `read`."""
    with _telling(path):
        return _read(path)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except (_Corrupt, struct.error, UnicodeDecodeError) as error:
        what = error if isinstance(error, _Corrupt) else "it is cut off in the header, or the header is garbled"
        raise SourceError(f"{path} is not a usable GGUF file: {what}", hint="fetch or convert it again") from error
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}", hint="check the path and its permissions") from error


def _read(path: Path) -> Header:
    with path.open("rb") as file:
        size = path.stat().st_size
        start = file.read(4)
        if start != MAGIC:
            raise _Corrupt("it is empty" if not start else f"it begins with {start!r} instead of {MAGIC!r}")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            cursor = _Cursor(data, size)
            pairs, tensors, end = _header(cursor)
    if not isinstance(pairs.get("general.architecture"), str):
        raise _Corrupt("general.architecture is missing")
    if end > size:
        raise _Corrupt(f"it is cut off: {size:,} bytes of {end:,}")
    return Header(pairs, tensors, size)


class _Cursor:
    """A place in the file; every step is checked against its end."""

    def __init__(self, data: mmap.mmap, size: int) -> None:
        self.data, self.size, self.at = data, size, len(MAGIC)

    def step(self, count: int) -> int:
        before, self.at = self.at, self.at + count
        if self.at > self.size:
            raise _Corrupt(f"it is cut off in the header: {self.size:,} bytes")
        return before

    def number(self, code: str) -> Any:
        return struct.unpack_from(f"<{code}", self.data, self.step(struct.calcsize(f"<{code}")))[0]

    def text(self) -> str:
        length = self.number("Q")
        start = self.step(length)
        return self.data[start : start + length].decode()

    def value(self, kind: int, depth: int = 0) -> Any:
        """The value; for a long array only its length."""
        if kind == STRING:
            return self.text()
        if kind == ARRAY and depth < DEEPEST_ARRAY:
            return self._array(depth)
        if kind not in SCALARS:
            raise _Corrupt(f"unknown value type {kind} in the header")
        return self.number(SCALARS[kind])

    def _array(self, depth: int) -> Any:
        kind, count = self.number("I"), self.number("Q")
        if count > self.size:
            raise _Corrupt(f"the header claims an array of {count:,} entries in a file of {self.size:,} bytes")
        if count <= LONGEST_KEPT:
            return [self.value(kind, depth + 1) for _ in range(count)]
        if kind in SCALARS:
            self.step(count * struct.calcsize(f"<{SCALARS[kind]}"))
        elif kind == STRING:
            self._skip_texts(count)
        else:
            raise _Corrupt(f"unknown array type {kind} in the header")
        return count

    def _skip_texts(self, count: int) -> None:
        """A vocabulary has some hundred thousand: no method calls here."""
        at, data, unpack = self.at, self.data, struct.Struct("<Q").unpack_from
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
        self.at = at
        self.step(0)


def _header(cursor: _Cursor) -> tuple[dict[str, Any], frozenset[str], int]:
    """The pairs, the names of tensors outside layers, and where the last tensor ends."""
    version, tensors, count = cursor.number("I"), cursor.number("Q"), cursor.number("Q")
    if version not in VERSIONS:
        raise _Corrupt(f"GGUF version {version}; versions {VERSIONS[0]} and {VERSIONS[1]} can be read")
    if count > MOST_PAIRS or tensors > MOST_TENSORS:
        raise _Corrupt(f"the header claims {count:,} keys and {tensors:,} tensors")
    pairs = {cursor.text(): cursor.value(cursor.number("I")) for _ in range(count)}
    listed = [_tensor(cursor) for _ in range(tensors)]
    alignment = pairs.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise _Corrupt(f"general.alignment is {alignment!r}")
    start = -(-cursor.at // alignment) * alignment
    outside = frozenset(name for name, _ in listed if not name.startswith("blk."))
    return pairs, outside, start + max((end for _, end in listed), default=0)


def _tensor(cursor: _Cursor) -> tuple[str, int]:
    """Its name, and where it ends."""
    name = cursor.text()
    dimensions = cursor.number("I")
    if dimensions > 8:
        raise _Corrupt(f"a tensor with {dimensions} dimensions")
    values = 1
    for _ in range(dimensions):
        values *= cursor.number("Q")
    kind, offset = cursor.number("I"), cursor.number("Q")
    block, size = TYPES.get(kind, (1, 0))
    return name, int(offset + values // block * size)


def _facts(pairs: Mapping[str, Any], size: int) -> Facts:
    architecture: str = pairs["general.architecture"]

    def whole(key: str, default: int = 0) -> int:
        value = pairs.get(f"{architecture}.{key}", default)
        return max(value) if isinstance(value, list) and value else value if isinstance(value, int) else default

    layers, embedding, heads = whole("block_count"), whole("embedding_length"), whole("attention.head_count")
    width = embedding // heads if heads else 0
    by_layer = pairs.get(f"{architecture}.attention.head_count_kv", heads)
    tokens = pairs.get("tokenizer.ggml.tokens", 0)
    return Facts(
        architecture=architecture,
        layers=layers,
        context=whole("context_length"),
        embedding=embedding,
        kv_heads=sum(by_layer) if isinstance(by_layer, list) else int(by_layer) * layers,
        key_length=whole("attention.key_length", width),
        value_length=whole("attention.value_length", width),
        vocabulary=len(tokens) if isinstance(tokens, list) else tokens,
        chat_template=bool(pairs.get("tokenizer.chat_template")),
        file_bytes=size,
    )

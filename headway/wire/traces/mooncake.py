"""Mooncake: `{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 2353]}`, one a line.

https://github.com/kvcache-ai/Mooncake, Apache-2.0; Qin et al., "Mooncake", FAST 2025. Times are milliseconds. An id
stands for 512 tokens and all before them: requests whose ids begin alike can use the same KV cache. What is left of a
prompt beyond its ids is its own. Requests without a prompt or an answer are passed over and counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from headway.perf.traffic.trace import Call
from headway.wire.traces.lines import Lines

__all__ = ["BLOCK_TOKENS", "read"]

BLOCK_TOKENS = 512


class _Line(msgspec.Struct):
    timestamp: float
    input_length: int
    output_length: int
    hash_ids: list[int] = []


_DECODER = msgspec.json.Decoder(_Line)
_FORM = 'a line is to be like {"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}'


def read(lines: Lines) -> Iterator[Call | None]:
    for text in lines:
        if not text.strip():
            continue
        try:
            line = _DECODER.decode(text)
        except msgspec.MsgspecError as error:
            raise lines.fault(f"not a request of Mooncake: {error}", _FORM) from None
        if line.input_length < 0 or line.output_length < 0 or not math.isfinite(line.timestamp):
            raise lines.fault("found a negative length", _FORM)
        if not line.input_length or not line.output_length:
            yield None
            continue
        blocks = tuple((each, BLOCK_TOKENS) for each in line.hash_ids)
        yield Call(line.timestamp / 1000, line.input_length, line.output_length, blocks)

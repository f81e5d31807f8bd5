"""What became of one request that was due: the raw fact that every figure of a run is computed from.

Times are seconds since the run's start, by the monotonic clock that all processes of a machine share; None = it never
came to that. `chunks` are the pieces of a stream that brought content, in the order they came.
"""

from __future__ import annotations

import msgspec

__all__ = ["Record"]


class Record(msgspec.Struct, omit_defaults=True):
    """`due` is when it should have been sent, `started` when the generator took it up, `sent` when its bytes were given
    to the kernel: between the last two lies the connection.

    `status` 0 = no answer came; `error` is a short code ("" = answered whole): connect, timeout, reset, closed, http,
    stream, cancelled (by the workload itself, which is no failure), interrupted (by the user, none either), unsent.
    `gaps[i]`: microseconds between content chunk i and i+1; `sizes[i]`: tokens of content chunk i where the server told
    (continuous usage), else its bytes of text; `sized_by` says which: tokens, bytes, or "" where there are no sizes.
    Counts are the server's own usage; None = it did not say. `wanted_tokens` is what was asked for. `replica`: which
    one answered, where a Headway gateway says it. The last two (the question, the answer) are kept of a few requests
    only, to be counted with a tokenizer.
    """

    number: int
    stage: int
    operation: str
    model: str
    due: float
    started: float | None = None
    sent: float | None = None
    first_byte: float | None = None
    first: float | None = None
    last: float | None = None
    ended: float | None = None
    status: int = 0
    error: str = ""
    said: str = ""
    tenant: str = ""
    adapter: str = ""
    session: int = -1
    turn: int = 0
    stream: bool = True
    planned_prompt: int = 0
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    wanted_tokens: int = 0
    output_tokens: int | None = None
    finish: str = ""
    retry_after: float | None = None
    request_id: str = ""
    replica: str = ""
    gaps: list[int] = []
    sizes: list[int] = []
    sized_by: str = ""
    prompt_text: str = ""
    text: str = ""

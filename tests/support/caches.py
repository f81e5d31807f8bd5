"""A gateway with a cache of answers, an engine that never says the same twice, and what a caller sees of it."""

from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from headway.gateway.table import ModelRoute
from headway.policy.caching import CacheRule, CacheRules
from tests.support.gateway import (
    DONE,
    STREAM_HEAD,
    Answer,
    Asked,
    GatewayProcess,
    Peer,
    Script,
    answer_bytes,
    ask,
    chunked,
    completion,
    event,
    key_for,
)

ANSWERS = CacheRules(responses=CacheRule())


ACME, ACME_KEY = key_for("acme")


OTHER, OTHER_KEY = key_for("other")


THIRD, THIRD_KEY = key_for("third")


FRESH = ["x-headway-cache: refresh"]


NOTHING = ["cache-control: no-store"]


def counting(**more: Any) -> Script:
    """`answer 1`, `answer 2`, …, as a stream when asked for one."""
    numbers = itertools.count(1)

    async def script(asked: Asked, peer: Peer) -> None:
        text = f"answer {next(numbers)}"
        if not asked.json.get("stream"):
            await peer.send(answer_bytes(completion(text), **more))
            return
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
        end = event("").replace(b'"finish_reason": null', b'"finish_reason": "stop"')
        asked_for = (asked.json.get("stream_options") or {}).get("include_usage")
        pieces = [event(text[:3]), event(text[3:]), end, usage if asked_for else b"", DONE]
        await peer.send(STREAM_HEAD + b"".join(chunked(piece) for piece in pieces if piece) + b"0\r\n\r\n")

    return script


def said(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    if answer.headers["content-type"].startswith("text/event-stream"):
        chunks = [each["choices"][0]["delta"].get("content") or "" for each in answer.events[:-1] if each["choices"]]
        return "".join(chunks)
    return str(answer.json["choices"][0]["message"]["content"])


def fared(answer: Answer) -> str:
    return answer.headers.get("x-headway-cache", "")


@contextlib.asynccontextmanager
async def running(folder: Path, *models: ModelRoute, **more: Any) -> AsyncIterator[GatewayProcess]:
    live = GatewayProcess(folder, *models, **({"workers": 2} | more))
    try:
        yield live
    finally:
        assert live.stop() in (0, -signal.SIGKILL)
        assert "Traceback" not in live.log.read_text()


async def repeat(live: GatewayProcess, **call: Any) -> Answer:
    return await ask(live.port, **({"temperature": 0} | call))


async def counted(live: GatewayProcess) -> dict[tuple[str, str], float]:
    """(metric, its last label) -> value, of the caches of the model chat."""
    found = {}
    for line in (await ask(live.port, "/metrics", "GET")).body.decode().splitlines():
        if line.startswith("headway_gateway_cache") and 'model="chat"' in line and 'cache="responses"' in line:
            name, _, rest = line.removeprefix("headway_gateway_cache_").partition("{")
            label = rest.partition("}")[0].split(",")[-1].split("=")[1].strip('"')
            found[name.removesuffix("_total"), label] = float(line.split()[-1])
    return found


async def is_used(live: GatewayProcess, version: int) -> bool:
    return (await live.stats()).table_version == version


async def says(live: GatewayProcess, text: str) -> bool:
    return said(await repeat(live)) == text


async def is_empty(live: GatewayProcess) -> bool:
    return (await counted(live))["entries", "chat"] == 0


async def so_many_run(live: GatewayProcess, count: int) -> bool:
    return (await live.stats()).running == count

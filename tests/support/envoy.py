"""What stands before a picker and behind it: engines that say who they are, and how Envoy is told to buffer."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable

from headway.gateway.table import ModelRoute
from tests.support.gateway import (
    Answer,
    Asked,
    Peer,
    ScriptedEngine,
    answer_bytes,
    completion,
    endpoint,
    route,
)
from tests.support.picker import PickerProcess

BUFFERED = {"request_body_mode": "BUFFERED", "response_body_mode": "STREAMED", "request_trailer_mode": "SKIP"}


def ports(engines: list[ScriptedEngine]) -> tuple[ModelRoute, ...]:
    return (route(*(endpoint(each.url, f"chat-{number}") for number, each in enumerate(engines))),)


def says(name: str) -> Callable[[Asked, Peer], Awaitable[None]]:
    async def script(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion(name)))

    return script


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def text_of(answer: Answer) -> str:
    return str(answer.json["choices"][0]["message"]["content"])


async def running(picker: PickerProcess) -> int:
    return sum(each.running for each in (await picker.stats()).endpoints)

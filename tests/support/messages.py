"""Calls of Anthropic's Messages API, made by hand and by its official client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic

MESSAGES = "/v1/messages"


def body(model: str = "chat", said: str = "hi", **more: Any) -> bytes:
    return json.dumps(
        {"model": model, "max_tokens": 16, "messages": [{"role": "user", "content": said}], **more}
    ).encode()


def user(said: str) -> Any:
    return [{"role": "user", "content": said}]


def client_of(port: int, key: str = "unused") -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=f"http://127.0.0.1:{port}", api_key=key, max_retries=0, timeout=30)


async def listen(to: anthropic.AsyncAnthropic, got: list[str], gate: asyncio.Event | None = None, **more: Any) -> None:
    """The types of a stream's events; the gate is opened by the first."""
    stream = await to.messages.create(model="chat", max_tokens=9, messages=user("hi"), stream=True, **more)
    async for each in stream:
        got.append(each.type)
        if gate:
            gate.set()

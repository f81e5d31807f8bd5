"""A small OpenAI-shaped server for the playground: real HTTP, real streams, CORS as the gateway answers it.

What it answers depends on the last line it is asked: "fail" is refused with 503, "break" ends in an error event,
"cut" just ends, "wait" streams one token and then holds until the caller leaves; all else is answered in full.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

__all__ = ["ANSWER", "FakeGateway"]

ANSWER = "The capital of France is Paris.\n```python\nprint('Paris')\n```\nIt lies on the <b>Seine</b>."
REQUEST_ID = "req-7d1f02"
PACE = 0.01  # seconds a token, so that there is a rate to show


class FakeGateway:
    def __init__(self) -> None:
        self.address = ""  # base URL, once it is served
        self.asked: list[dict[str, Any]] = []
        self.left = threading.Event()  # a caller went away while its answer streamed
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/completions", self._completion, methods=["POST"]),
            ],
            middleware=[
                Middleware(
                    CORSMiddleware,
                    allow_origin_regex=r"http://(127\.0\.0\.1|localhost)(:\d+)?",
                    allow_methods=["POST"],
                    allow_headers=["content-type"],
                    expose_headers=["x-request-id", "retry-after"],
                )
            ],
        )

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        return self._answer(body, body["messages"][-1]["content"], _delta)

    async def _completion(self, request: Request) -> Response:
        body = await request.json()
        return self._answer(body, body["prompt"], lambda text: {"text": text})

    def _answer(self, body: dict[str, Any], question: str, shape: Any) -> Response:
        self.asked.append(body)
        headers = {"x-request-id": REQUEST_ID}
        if "fail" in question:
            error = {"message": "no replica of 'chat' is ready", "type": "server_error", "code": "no_endpoint"}
            return JSONResponse({"error": error}, 503, headers | {"retry-after": "2"})
        return StreamingResponse(self._stream(question, shape), headers=headers, media_type="text/event-stream")

    async def _stream(self, question: str, shape: Any) -> AsyncIterator[str]:
        pieces = [piece + " " for piece in ANSWER.split(" ")]
        yield _event({"choices": [shape(pieces[0])]})
        if "wait" in question:
            try:
                await asyncio.Event().wait()  # cancelled when the caller leaves
            finally:
                self.left.set()
        if "break" in question:
            yield _event({"error": {"message": "the engine died in mid-answer", "code": "engine_died"}})
            return
        for piece in pieces[1:]:
            await asyncio.sleep(PACE)
            yield _event({"choices": [shape(piece)]})
        if "cut" in question:
            return
        yield _event({"choices": [shape("") | {"finish_reason": "stop"}]})
        yield _event({"choices": [], "usage": {"completion_tokens": len(pieces)}})
        yield "data: [DONE]\n\n"


def _delta(text: str) -> dict[str, Any]:
    return {"delta": {"content": text}}


def _event(payload: dict[str, Any]) -> str:
    return f"data: {json.dumps(payload)}\n\n"

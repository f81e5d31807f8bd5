"""One streamed answer of an OpenAI-compatible address, over http.client: quick to import, nothing to install."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from headway.cli.words import one_line
from headway.errors import EngineError, HeadwayError, UnreachableError

__all__ = ["Answer", "ask"]

SILENCE = 660.0
"""Seconds without a byte: the gateway holds a request for 600 at most, and then says why."""

KEY = "HEADWAY_API_KEY"
"""The environment variable of the caller's key, where the gateway wants one."""
SHOWN = 200
"""Bytes of an answer that is no JSON: enough to see whose error page it is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Times are seconds; tokens as the server counts them, else pieces."""

    text: str
    tokens: int
    first_token: float
    generating: float
    request_id: str

    @property
    def tokens_per_second(self) -> float:
        """Of the tokens after the first, which alone waited for the prompt."""
        return (self.tokens - 1) / self.generating if self.tokens > 1 and self.generating > 0 else 0.0

    def figures(self) -> str:
        speed = f", {self.tokens_per_second:.1f} tok/s" if self.tokens_per_second else ""
        return f"{self.tokens} tokens{speed}, first token {self.first_token:.2f} s, {self.request_id}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "completion_tokens": self.tokens,
            "tokens_per_second": round(self.tokens_per_second, 2),
            "first_token_seconds": round(self.first_token, 4),
            "request_id": self.request_id,
        }


def ask(address: str, body: dict[str, Any], write: Callable[[str], None] | None) -> Answer:
    """Raises the API's error as one line. `write` gets each piece of text as it comes."""
    url = urlsplit(address)
    path = f"{url.path}/chat/completions" if "messages" in body else f"{url.path}/completions"
    to = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = to(url.netloc, timeout=SILENCE)
    key = os.environ.get(KEY)
    head = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    started = time.monotonic()
    try:
        connection.request("POST", path, json.dumps(body), head)
        answer = connection.getresponse()
        if answer.status != 200:
            raise _refused(answer)
        return _read(answer, started, write)
    except OSError as error:
        raise UnreachableError(f"{address}: {error.strerror or error}", hint="see headway ls") from error
    except http.client.HTTPException as error:
        raise UnreachableError(f"{address}: the answer was cut short", hint="see headway ls, and ask again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnreachableError(f"{address}: no answer as OpenAI gives it: {error}", hint="see headway ls") from error
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse, started: float, write: Callable[[str], None] | None) -> Answer:
    request_id = answer.headers.get("x-request-id", "")
    pieces: list[str] = []
    first, tokens = 0.0, None
    for event in _events(answer):
        if error := event.get("error"):
            raise EngineError(
                f"the answer broke off: {error['message']}", hint=f"ask again, or headway explain {request_id}"
            )
        if usage := event.get("usage"):
            tokens = usage["completion_tokens"]
        for choice in event.get("choices", []):
            if piece := choice.get("text") or (choice.get("delta") or {}).get("content") or "":
                first = first or time.monotonic()
                pieces.append(piece)
                if write:
                    write(piece)
    ended = time.monotonic()
    first = first or ended
    return Answer(
        text="".join(pieces),
        tokens=len(pieces) if tokens is None else tokens,
        first_token=first - started,
        generating=ended - first,
        request_id=request_id,
    )


def _events(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """Until [DONE]. http.client takes a connection that was cut between two lines for a whole answer; we do not."""
    for line in answer:
        if not line.startswith(b"data:"):
            continue
        data = line.removeprefix(b"data:").strip()
        if data == b"[DONE]":
            return
        yield json.loads(data)
    raise http.client.IncompleteRead(b"")


def _refused(answer: http.client.HTTPResponse) -> HeadwayError:
    text = answer.read()
    try:
        error = json.loads(text)["error"]
        return EngineError(error["message"], hint=f"status {answer.status}, {error.get('code') or error.get('type')}")
    except (ValueError, KeyError, TypeError):
        return EngineError(f"status {answer.status}: {one_line(text[:SHOWN].decode(errors='replace'))}")

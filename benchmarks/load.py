"""A small closed-loop client on asyncio streams, so that the client costs little beside what is measured."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

__all__ = ["Outcome", "closed_loop", "first_token"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tokens as the server counts them; seconds of wall time."""

    requests: int
    tokens: int
    seconds: float

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds


async def closed_loop(host: str, port: int, *, requests: int, concurrency: int, max_tokens: int) -> Outcome:
    """`concurrency` connections, each asking again as soon as it has its answer."""
    numbers = iter(range(requests))
    tokens = 0

    async def worker() -> None:
        nonlocal tokens
        reader, writer = await asyncio.open_connection(host, port)
        try:
            for number in numbers:
                answer = await _ask(reader, writer, f"Tell me about the number {number}.", max_tokens)
                tokens += answer["usage"]["completion_tokens"]
        finally:
            writer.close()
            await writer.wait_closed()

    started = time.perf_counter()
    async with asyncio.timeout(600):
        await asyncio.gather(*(worker() for _ in range(concurrency)))
    return Outcome(requests, tokens, time.perf_counter() - started)


async def first_token(host: str, port: int, deadline: float = 60.0) -> float:
    """The moment (perf_counter) of the first token of a stream, asked for as soon as somebody listens."""
    body = json.dumps({"model": "chat", "prompt": "Hi", "max_tokens": 1, "stream": True}).encode()
    async with asyncio.timeout(deadline):
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            writer.write(_head("/v1/completions", len(body)) + body)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    await asyncio.sleep(0.005)  # nobody has told the gateway of the model yet
                    continue
                await reader.readuntil(b"data: ")
                return time.perf_counter()
            except (asyncio.IncompleteReadError, ConnectionError):
                continue
            finally:
                writer.close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prompt: str, max_tokens: int
) -> dict[str, dict[str, int]]:
    asked = {"model": "chat", "prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True}
    body = json.dumps(asked).encode()
    writer.write(_head("/v1/completions", len(body)) + body)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    answer: dict[str, dict[str, int]] = json.loads(await reader.readexactly(length))
    return answer


def _head(path: str, length: int) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json", f"content-length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()

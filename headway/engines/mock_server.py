"""A small real server that behaves like an engine, well or badly on purpose: `python -m
headway.engines.mock_server`.

Sites and the gateway are tested against it: it has a process, a port, a log, readiness, streams, usage and
metrics, and each fault an engine can have is a flag. It answers /health, /metrics, /v1/models,
/v1/chat/completions, /v1/completions and /v1/embeddings. A caller that leaves ends its work at once, as with
llama-server.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from contextlib import suppress

import msgspec
import uvloop

from headway.engines import mock_answers as answers
from headway.engines.mock_http import Caller, Reply

__all__ = ["main"]

EXIT_MID_WORK = 70
"""How --die-after-tokens ends: an exit by itself, not a death by a signal from outside."""


class Options(argparse.Namespace):
    host: str
    port: int
    alias: str
    ready_after: float
    ttft: float
    itl: float
    dimensions: int
    exit_at_start: int | None
    hang_at_start: bool
    die_after_tokens: int | None
    stall_after_tokens: int | None
    ignore_sigterm: bool
    silent: str


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(prog="python -m headway.engines.mock_server", allow_abbrev=False)
    add = words.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 = any free one; it is printed")
    add("--alias", default="mock", help="the model's name in answers")
    add("--dimensions", type=int, default=8, help="of embeddings")
    add("--ready-after", type=float, default=0.0, metavar="S", help="/health says 503 for so long")
    add("--ttft", type=float, default=0.0, metavar="S", help="wait before the first token")
    add("--itl", type=float, default=0.0, metavar="S", help="wait between tokens")
    add("--exit-at-start", type=int, metavar="CODE", help="say an error and exit")
    add("--hang-at-start", action="store_true", help="never listen")
    add("--die-after-tokens", type=int, metavar="N", help="exit after so many tokens in all requests together")
    add("--stall-after-tokens", type=int, metavar="N", help="each request: fall silent after so many tokens")
    add("--ignore-sigterm", action="store_true", help="end by SIGKILL alone")
    add("--silent", choices=("no", "requests", "all"), default="no", help="accept and never answer")
    return words


class Mock:
    """The state of the server: what it has counted, and how it is told to behave."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.started = time.monotonic()
        self.running = 0
        self.requests = 0
        self.prompt_tokens = 0
        self.generated_tokens = 0

    async def answer(self, reply: Reply, method: str, path: str, body: bytes) -> None:
        if self.options.silent == "all" or (self.options.silent == "requests" and path.startswith("/v1/")):
            await asyncio.Event().wait()
        elif not self._ready and path != "/metrics":
            reply.error(503, "loading", "unavailable_error")
        elif (method, path) == ("GET", "/health"):
            reply.json({"status": "ok"})
        elif (method, path) == ("GET", "/metrics"):
            reply.send(200, "text/plain; version=0.0.4", self._metrics().encode())
        elif (method, path) == ("GET", "/v1/models"):
            reply.json(
                {
                    "object": "list",
                    "data": [{"id": self.options.alias, "object": "model", "owned_by": "mock"}],
                }
            )
        elif method == "POST" and path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
            await self._work(reply, path, body)
        else:
            reply.error(404, f"no {method} {path} here", "not_found_error")

    @property
    def _ready(self) -> bool:
        return time.monotonic() - self.started >= self.options.ready_after

    async def _work(self, reply: Reply, path: str, body: bytes) -> None:
        self.requests += 1
        self.running += 1
        try:
            asked = msgspec.json.decode(body)
            if path == "/v1/embeddings":
                made = answers.embeddings(asked, alias=self.options.alias, dimensions=self.options.dimensions)
                self.prompt_tokens += made["usage"]["prompt_tokens"]
                reply.json(made)
            else:
                question = answers.ask(asked, chat=path.endswith("chat/completions"), alias=self.options.alias)
                self.prompt_tokens += question.prompt_tokens
                await (self._stream if question.stream else self._whole)(reply, question)
        except (answers.BadRequest, msgspec.DecodeError) as error:
            reply.error(400, str(error), "invalid_request_error")
        finally:
            self.running -= 1

    async def _whole(self, reply: Reply, question: answers.Question) -> None:
        said = []
        for number, token in enumerate(answers.generate(question)):
            await self._pace(number)
            said.append(token)
        reply.json(answers.whole(question, "".join(said), len(said), int(time.time())))

    async def _stream(self, reply: Reply, question: answers.Question) -> None:
        created = int(time.time())
        count = 0
        for count, token in enumerate(answers.generate(question), 1):
            await self._pace(count - 1)
            if count == 1:
                reply.begin_stream()
            await reply.event(answers.chunk(question, created, text=token, role=count == 1))
        await reply.event(answers.chunk(question, created, finish=True))
        if question.usage_wanted:
            await reply.event(answers.chunk(question, created, usage=count))
        reply.end_stream()

    async def _pace(self, number: int) -> None:
        """Wait as long as a token takes, count it, and do what was asked for after so many."""
        options = self.options
        if options.stall_after_tokens is not None and number >= options.stall_after_tokens:
            await asyncio.Event().wait()
        if options.die_after_tokens is not None and self.generated_tokens >= options.die_after_tokens:
            say(f"error: told to die after {options.die_after_tokens} tokens")
            os._exit(EXIT_MID_WORK)
        await asyncio.sleep(options.itl if number else options.ttft)
        self.generated_tokens += 1

    def _metrics(self) -> str:
        gauges = {"mock_requests_running": self.running}
        counters = {
            "mock_requests_total": self.requests,
            "mock_prompt_tokens_total": self.prompt_tokens,
            "mock_generated_tokens_total": self.generated_tokens,
        }
        lines = [f"# TYPE {name} gauge\n{name} {value}\n" for name, value in gauges.items()]
        lines += [f"# TYPE {name} counter\n{name} {value}\n" for name, value in counters.items()]
        return "".join(lines)


def say(line: str) -> None:
    sys.stderr.write(f"mock engine: {line}\n")
    sys.stderr.flush()


async def serve(options: Options) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        ignored = options.ignore_sigterm and number == signal.SIGTERM
        loop.add_signal_handler(number, (lambda: say("SIGTERM ignored")) if ignored else ended.set)
    if options.hang_at_start:
        say("told to hang at start")
    else:
        mock = Mock(options)
        server = await loop.create_server(lambda: Caller(mock.answer, say), options.host, options.port)
        say(f"listening on {options.host}:{server.sockets[0].getsockname()[1]}")
    await ended.wait()
    say("ended by a signal")


def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv, namespace=Options())
    if options.exit_at_start is not None:
        say(f"error: told to exit at start with {options.exit_at_start}")
        return options.exit_at_start
    with suppress(KeyboardInterrupt):
        uvloop.run(serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())

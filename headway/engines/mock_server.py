"""The mock engine's process: `headway mock-engine`, which is `python -m headway.engines.mock_server`.

It stands in for a GPU engine. Sites and the gateway are tested and measured against it: it has a process, a port, a
log, readiness, streams, usage, metrics, a batch, a prefix cache and adapters, and each fault an engine can have.

    mock_server    flags, sockets, signals            mock_core      the engine in time; mock_clock
    mock_http      connections, requests, answers     mock_batch     what runs in a step (pure, as all below)
    mock_api       requests to generate or rank       mock_fixed     fixed latencies instead of a batch
    mock_admin     models, adapters, sleep, metrics   mock_kv        blocks and prefixes; mock_lora: slots of adapters
    mock_stream    one answer on its way              mock_question  what is asked; mock_voice: how it is told
    mock_arrivals  what came when, for tests          mock_script    how one answer is to come
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from contextlib import suppress
from functools import partial

import uvloop

from headway.engines.mock_api import Api, say
from headway.engines.mock_arrivals import Arrivals
from headway.engines.mock_http import Caller
from headway.engines.mock_options import Options, parse, profiles

__all__ = ["main"]


async def serve(options: Options, arrivals: Arrivals) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        ignored = options.ignore_sigterm and number == signal.SIGTERM
        loop.add_signal_handler(number, (lambda: say("SIGTERM ignored")) if ignored else ended.set)
    if options.hang_at_start:
        say("told to hang at start")
    else:
        await _listen(options, arrivals)
    await ended.wait()
    say("ended by a signal")


async def _listen(options: Options, arrivals: Arrivals) -> None:
    """Each engine on its own port."""
    loop = asyncio.get_running_loop()
    for index, profile in enumerate(profiles(options)):
        api = Api(options, profile, index, arrivals)
        port = options.port + index if options.port else 0
        server = await loop.create_server(partial(Caller, api.answer, say), options.host, port, backlog=4096)
        say(f"listening on {options.host}:{server.sockets[0].getsockname()[1]}")
    gc.freeze()  # what is here now stays


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    if options.exit_at_start is not None:
        say(f"error: told to exit at start with {options.exit_at_start}")
        return options.exit_at_start
    try:
        arrivals = Arrivals(options.arrivals, say)
    except OSError as error:
        say(f"error: cannot write {options.arrivals}: {error.strerror}; choose another --arrivals")
        return 1
    with suppress(KeyboardInterrupt):
        try:
            uvloop.run(serve(options, arrivals))
        except OSError as error:
            say(f"error: cannot listen on {options.host}:{options.port}: {error.strerror}; choose another --port")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

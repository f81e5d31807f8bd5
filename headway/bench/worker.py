"""A process that sends: it gets its job, makes its share of the schedule itself, and tells what became of it.

The signals of a terminal are the collector's business. When that is gone nobody could get the Records: the worker ends.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import traceback
from typing import Any

import uvloop

from headway.bench.frames import TO_WORKER, Ask, Broke, Done, Halt, Job, Ready, Start, Tell
from headway.bench.sender import Sender
from headway.errors import HeadwayError
from headway.wire.channel import Channel

__all__ = ["Worker", "main"]

FAREWELL_SECONDS = 10.0
"""For the collector to take the last Records and close."""


class Worker:
    def __init__(self) -> None:
        self._asked: asyncio.Queue[Ask | None] = asyncio.Queue()
        self._channel: Channel[Ask] = Channel(TO_WORKER, self._asked.put_nowait, lambda: self._asked.put_nowait(None))
        self._sender: Sender | None = None
        self._over = asyncio.Event()

    async def live(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._fell)
        await loop.create_connection(lambda: self._channel, sock=sock)
        job = await self._asked.get()
        if not isinstance(job, Job):
            return
        try:
            sender = self._sender = Sender(job, self._say, lambda: self._channel.backlog)
        except HeadwayError as error:
            self._channel.say(Broke(error.to_wire()))
            await self._until_gone()
            return
        self._channel.say(Ready())
        listening = loop.create_task(self._listen(sender))
        await self._over.wait()
        listening.cancel()
        sender.close()
        await self._until_gone()

    async def _listen(self, sender: Sender) -> None:
        while (asked := await self._asked.get()) is not None:
            if isinstance(asked, Start):
                sending = asyncio.get_running_loop().create_task(sender.send(asked))
                sending.add_done_callback(self._sent)
            elif isinstance(asked, Halt):
                sender.halt(asked)
        self._asked.put_nowait(None)
        self._over.set()

    def _say(self, frame: Tell) -> None:
        self._channel.say(frame)
        if isinstance(frame, Done):
            self._over.set()

    def _sent(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broke(error)

    def _fell(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Something raised where nobody could catch it: what is measured from here on would be wrong."""
        error = context.get("exception")
        self._broke(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))

    def _broke(self, error: BaseException) -> None:
        if self._over.is_set():
            return
        if not isinstance(error, HeadwayError):
            traceback.print_exception(error)
            error = HeadwayError(f"{type(error).__name__}: {error}")
        if self._sender is not None:
            self._sender.leave()
        self._channel.say(Broke(error.to_wire()))
        self._over.set()

    async def _until_gone(self) -> None:
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                while await self._asked.get() is not None:
                    pass
        except TimeoutError:
            self._channel.close()


def main(argv: list[str]) -> int:
    """`descriptor`: our end of the channel."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    sock = socket.socket(fileno=int(argv[0]))
    sock.setblocking(False)
    uvloop.run(_live(sock))
    return 0


async def _live(sock: socket.socket) -> None:
    await Worker().live(sock)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

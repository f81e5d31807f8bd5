"""One worker as the hub sees it: its process, the channel to it, and the questions it has not answered yet."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Literal

from headway.gateway.board import Board
from headway.gateway.counts import Counts
from headway.gateway.frames import (
    Applied,
    Channel,
    Frame,
    Hello,
    Metrics,
    Said,
    Use,
    Want,
)

__all__ = ["Member", "spawn"]


def spawn(
    number: int,
    workers: int,
    listener: socket.socket,
    board: Board,
    *,
    module: str = "headway.gateway.worker",
    more: Sequence[str] = (),
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker process; returns it and our end of the channel. `more`: arguments that `module` reads."""
    ours, theirs = socket.socketpair()
    with theirs:
        passed = (listener.fileno(), theirs.fileno(), board.descriptor)
        argv = [sys.executable, "-P", "-m", module, str(number), str(workers), *map(str, passed), *more]
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=passed)
    ours.setblocking(False)
    return child, ours


class Member:
    """`heard` gets what it says unasked; `gone` is called when its channel broke: it is dead, or as good as."""

    def __init__(self, heard: Callable[[Member, Frame], None], gone: Callable[[Member], None]) -> None:
        self.number = 0
        self.child: subprocess.Popen[bytes] | None = None
        self.ready = asyncio.Event()  # it has begun, and uses the last table it was sent
        self._due = 1
        self.records_from = 0
        self.counts = Counts()  # as it last said
        self._tell, self._gone = heard, gone
        self._channel = Channel(self._heard, self._broke)
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Said]] = {}

    async def join(self, channel: socket.socket) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self._channel, sock=channel)

    def use(self, frame: Use) -> None:
        self._due += 1
        self.ready.clear()
        self._channel.say(frame)

    def tell(self, frame: Frame) -> None:
        self._channel.say(frame)

    def answer(self, number: int, text: bytes) -> None:
        self._channel.say(Metrics(number, text))

    async def ask(
        self, what: Literal["stats", "counts", "records", "record"], timeout: float, request_id: str = ""
    ) -> Said | None:
        """None when it does not answer in time, or not at all."""
        if not self._channel.open:
            return None
        number = next(self._numbers)
        future: asyncio.Future[Said]
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self._channel.say(Want(number, what, self.records_from, request_id))
        try:
            async with asyncio.timeout(timeout):
                said: Said = await future
        except (TimeoutError, ConnectionError):
            return None
        finally:
            self._asked.pop(number, None)
        if said.counts is not None:
            self.counts = said.counts
        if what == "records":
            self.records_from = said.next
        return said

    def signal(self, number: signal.Signals) -> None:
        if self.child is not None and self.child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child.pid, number)

    def close(self) -> None:
        self._channel.close()

    def _heard(self, frame: Frame) -> None:
        if isinstance(frame, Said):
            future = self._asked.get(frame.number)
            if future is not None and not future.done():
                future.set_result(frame)
            return
        if isinstance(frame, Hello | Applied):
            self._due -= 1
            if not self._due:
                self.ready.set()
        self._tell(self, frame)

    def _broke(self) -> None:
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ConnectionResetError())
        self._gone(self)

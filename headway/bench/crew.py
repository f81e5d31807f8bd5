"""The processes that send, as the one that started them sees them: hired, told, listened to, sent home.

They make their schedules themselves; what goes to them is a job, a start, at most a halt. One that dies takes the
Records of its last fifth of a second with it: the others' are kept, and the run says that it is none.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from time import monotonic
from typing import IO, Final

import msgspec

from headway.bench.facts import Generator
from headway.bench.frames import FROM_WORKER, Done, Halt, Job, Ready, Start, Tell, Told
from headway.bench.record import Record
from headway.errors import HeadwayError, from_wire
from headway.wire.channel import Channel

__all__ = ["Crew"]

READY_SECONDS: Final = 60.0
"""For a worker to begin: Python, its imports, the first line of a trace."""
SILENT_SECONDS: Final = 15.0
"""A worker says something five times a second; one that is silent for so long hangs."""
LEAVE_SECONDS: Final = 5.0
_RECORD: Final = msgspec.msgpack.Decoder(Record)


class Hand:
    """One worker. `changed` is called when it has said something that matters, or is gone."""

    def __init__(self, number: int, heard: Callable[[Hand, Tell], None], gone: Callable[[Hand], None]) -> None:
        self.number, self.heard_at = number, monotonic()
        self.ready = False
        self.done: Done | None = None
        self.told = Told([], 0, 0, 0, 0, 0, 0.0)
        self.broke: HeadwayError | None = None
        self.gone = False
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed with its process)
        self._channel: Channel[Tell] = Channel(FROM_WORKER, lambda frame: heard(self, frame), lambda: gone(self))
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def over(self) -> bool:
        return self.done is not None or self.gone or self.broke is not None

    async def start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, "-P", "-m", "headway.bench.worker", str(theirs.fileno())]
            self._child = subprocess.Popen(  # noqa: ASYNC220 (a millisecond, before the run)
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=(theirs.fileno(),),
            )
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: self._channel, sock=ours)

    def say(self, frame: Job | Start | Halt) -> None:
        self._channel.say(frame)

    @property
    def last_words(self) -> str:
        """How it ended, and the last line that it wrote."""
        code = self._child.poll() if self._child is not None else None
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        ended = "hangs" if code is None else f"ended with {code}" if code >= 0 else f"was killed by signal {-code}"
        return f"{ended}: {lines[-1][:200]}" if lines else ended

    async def leave(self) -> None:
        """Its process is gone afterwards."""
        self._channel.close()
        child, end = self._child, monotonic() + LEAVE_SECONDS
        while child is not None and child.poll() is None:
            if monotonic() > end:
                child.kill()
                child.wait()
                break
            await asyncio.sleep(0.005)
        self._said.close()

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()


class Crew:
    """`sink` gets the Records; what it raises is kept in `trouble`, and nothing more is handed to it."""

    def __init__(self, count: int, sink: Callable[[Record], None]) -> None:
        self._hands = [Hand(number, self._heard, self._gone) for number in range(count)]
        self._sink = sink
        self._news = asyncio.Event()
        self._looked_at = 0.0
        self.trouble: BaseException | None = None
        self.faults: list[str] = []

    @property
    def size(self) -> int:
        return len(self._hands)

    async def hire(self) -> None:
        """Start the processes; they wait for their jobs."""
        for hand in self._hands:
            await hand.start()

    async def brief(self, jobs: Iterable[Job]) -> None:
        """Give each its job and wait until all are ready. Raises HeadwayError: one cannot do it."""
        for hand, job in zip(self._hands, jobs, strict=True):
            hand.say(job)
        end = monotonic() + READY_SECONDS
        while not all(hand.ready for hand in self._hands):
            for hand in self._hands:
                if hand.broke is not None:
                    raise hand.broke
                if hand.gone:
                    raise HeadwayError(f"a process of the load generator {await self._words(hand)}")
            if monotonic() > end:
                raise HeadwayError(f"the load generator was not ready within {READY_SECONDS:g} s")
            await self.wait(0.1)

    def start(self, at: float, drain: float) -> None:
        self._looked_at = monotonic()
        for hand in self._hands:
            hand.heard_at = max(at, self._looked_at)
            hand.say(Start(at, drain))

    def halt(self, drain: float, error: str, said: str) -> None:
        for hand in self._hands:
            hand.say(Halt(drain, error, said))

    async def wait(self, seconds: float) -> None:
        """Until something matters, or so long."""
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()

    @property
    def over(self) -> bool:
        return all(hand.over for hand in self._hands)

    async def look(self) -> bool:
        """Whether all of them are well; a fault is noted once, in `faults`."""
        now, well = monotonic(), True
        if now - self._looked_at > SILENT_SECONDS / 3:  # it is we who slept: what they said lies unread
            for hand in self._hands:
                hand.heard_at = now
        self._looked_at = now
        for hand in self._hands:
            if not hand.over and now - hand.heard_at > SILENT_SECONDS:
                hand.kill()
                hand.gone = True
            if hand.broke is not None:
                self._note(f"process {hand.number} of the generator: {hand.broke}")
            elif hand.gone and hand.done is None:
                self._note(f"process {hand.number} of the generator {await self._words(hand)}")
            well = well and (hand.done is not None or not hand.over)
        return well

    def counts(self) -> tuple[int, int, int, int, int]:
        """Due, sent, ended, failed, running."""
        told = [hand.told for hand in self._hands]
        return (
            sum(each.due for each in told),
            sum(each.sent for each in told),
            sum(each.ended for each in told),
            sum(each.failed for each in told),
            sum(each.running for each in told),
        )

    @property
    def last_sent(self) -> float:
        """Seconds after the start."""
        return max(hand.told.last_sent for hand in self._hands)

    @property
    def ended(self) -> float:
        return max((hand.done.ended for hand in self._hands if hand.done is not None), default=0.0)

    @property
    def drained(self) -> bool:
        return all(hand.done is not None and hand.done.drained for hand in self._hands)

    def generators(self) -> list[Generator]:
        return [hand.done.generator for hand in self._hands if hand.done is not None]

    async def dismiss(self) -> None:
        """All processes are gone afterwards."""
        for hand in self._hands:
            await hand.leave()

    # what they say

    def _heard(self, hand: Hand, frame: Tell) -> None:
        hand.heard_at = max(hand.heard_at, monotonic())
        if isinstance(frame, Told):
            hand.told = frame
            for raw in frame.records:
                self._hand_over(raw)
            frame.records = []
            return
        if isinstance(frame, Ready):
            hand.ready = True
        elif isinstance(frame, Done):
            hand.done = frame
        else:
            hand.broke = from_wire(frame.error)
        self._news.set()

    def _hand_over(self, raw: msgspec.Raw) -> None:
        if self.trouble is not None:
            return
        try:
            self._sink(_RECORD.decode(raw))
        except BaseException as error:
            self.trouble = error
            self._news.set()

    def _gone(self, hand: Hand) -> None:
        hand.gone = True
        self._news.set()

    def _note(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    async def _words(self, hand: Hand) -> str:
        """Its channel breaks a moment before it can be seen how it ended."""
        for _ in range(100):
            if not hand.last_words.startswith("hangs"):
                break
            await asyncio.sleep(0.01)
        return hand.last_words

"""All workers of one gateway: started, asked, and started again when one dies.

A worker that dies takes only its own open connections with it: its listening socket is the hub's too, so who connects
meanwhile waits, and the next worker takes the same place.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable

from headway.gateway.board import Board
from headway.gateway.counts import Counts, add_up
from headway.gateway.frames import (
    Applied,
    Ejected,
    Frame,
    Freed,
    Heard,
    Join,
    Kept,
    Leave,
    Load,
    Look,
    Said,
    Scrape,
    Sent,
    Shelve,
    Short,
    Took,
    Use,
)
from headway.gateway.hub.archive import Archive
from headway.gateway.hub.exporter import Exporter
from headway.gateway.hub.facts import Facts
from headway.gateway.hub.line import Lines
from headway.gateway.hub.member import Member
from headway.gateway.hub.metrics import scrape
from headway.gateway.hub.treasurer import Treasurer
from headway.gateway.hub.vault import Vault
from headway.gateway.journal import Journal
from headway.gateway.record import Record, Records, Stats
from headway.gateway.settings import Settings

__all__ = ["Crew", "Starter"]

log = logging.getLogger("headway.gateway")

ASK_SECONDS = 2.0
"""For a worker's answer; one that is busier than that is left out of the sum."""
START_SECONDS = 30.0
YOUNG_SECONDS = 1.0
"""A worker that dies younger than this is started again with a pause, doubled each time up to LONGEST_PAUSE."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0

Starter = Callable[[int, int, socket.socket, Board], tuple[subprocess.Popen[bytes] | None, socket.socket]]
"""Starts worker n of m on a listener; returns its process and our end of its channel. Tests start it in theirs."""


class Crew:
    def __init__(
        self,
        listeners: list[socket.socket],
        board: Board,
        treasurer: Treasurer,
        settings: Settings,
        start: Starter,
        *,
        archive: Archive | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self.lines = Lines(settings, board.running, lambda: self.members)
        self.vault = Vault(time.monotonic)
        self._treasurer, self._archive, self._exporter = treasurer, archive, exporter
        self.members = [self._member() for _ in listeners]
        self.journal = Journal(settings.records_max)
        self._listeners, self._board, self._start_one = listeners, board, start
        self._buried = Counts()  # what dead workers had counted
        self._use: Use | None = None
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = [0.0] * len(listeners)
        self._pause = [0.0] * len(listeners)
        self._said: tuple[str, ...] = ()
        self.problems: list[str] = []
        self.facts: Callable[[], Facts] = Facts  # what the hub's other parts know; whoever has them sets it

    # life

    async def start(self) -> None:
        for number in range(len(self.members)):
            await self._start(number)

    def _member(self) -> Member:
        return Member(self._heard, self._gone)

    async def _start(self, number: int) -> None:
        member = self.members[number]
        member.number = number
        self._started[number] = asyncio.get_running_loop().time()
        member.child, channel = self._start_one(number, len(self.members), self._listeners[number], self._board)
        if member.child is not None:
            self._board.name_worker(number, member.child.pid)
        await member.join(channel)
        self._treasurer.hire(member)
        if self._archive is not None:
            member.tell(self._archive.keep)
        if self._use is not None:
            member.use(self._use)

    def use(self, frame: Use) -> None:
        """Every worker, and every later one, routes by this table."""
        self._use = frame
        for member in self.members:
            member.use(frame)

    def tell(self, signals: dict[int, Load | None]) -> None:
        """What engines last said of themselves, by slot."""
        for member in self.members:
            member.tell(Heard(signals))

    # what workers say

    def _heard(self, member: Member, frame: Frame) -> None:
        match frame:
            case Join():
                self.lines.join(member, frame)
            case Took():
                self.lines.took(member, frame.number)
            case Leave():
                self.lines.leave(member, frame.number)
            case Freed():
                self.lines.freed(frame)
            case Look():
                self.vault.look(member, frame)
            case Shelve():
                self.vault.shelve(member, frame)
            case Sent() | Ejected():
                self._spread(member, frame)
            case Kept():
                self._remember(member, frame)
            case Short():
                self._treasurer.short()
            case Scrape():
                self._scrape(member, frame)
            case Applied():
                self._problems(frame.problems)

    def _spread(self, source: Member, news: Sent | Ejected) -> None:
        """What one worker sent where, or found to fail, the others should know."""
        for member in self.members:
            if member is not source:
                member.tell(news)

    def _remember(self, member: Member, frame: Kept) -> None:
        """What outlives the worker."""
        if self._archive is not None:
            for told in frame.told:
                self._dress(told.record, member)
            self._archive.heard(frame.told, frame.dropped)
        if self._exporter is not None:
            self._exporter.heard(told.record for told in frame.told)

    def _dress(self, record: Record, member: Member) -> Record:
        """With what its worker does not know of it."""
        record.worker = member.number
        if self._archive is not None:
            self._archive.price(record)
        return record

    async def until_ready(self) -> None:
        """All workers answer callers, by the last table. Raises TimeoutError."""
        async with asyncio.timeout(START_SECONDS):
            for member in self.members:
                await member.ready.wait()

    def signal(self, number: signal.Signals) -> None:
        self._ending = True
        for each in self._listeners:
            each.close()
        for member in self.members:
            member.signal(number)

    async def until_gone(self, seconds: float) -> None:
        """Wait for the workers to end; those that do not are killed."""
        children = [member.child for member in self.members if member.child is not None]
        waiting = [asyncio.create_task(asyncio.to_thread(_wait, child, seconds)) for child in children]
        await asyncio.gather(*waiting)
        for task in list(self._tasks):
            task.cancel()
        for member in self.members:
            member.close()

    def _gone(self, member: Member) -> None:
        if self._ending:
            return
        number = member.number
        task = asyncio.get_running_loop().create_task(self._replace(number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, number: int) -> None:
        """Bury a worker and start the next in its place."""
        dead = self.members[number]
        if dead.child is not None:
            dead.child.kill()  # a worker that only closed its channel would hold the port beside its successor
            await asyncio.to_thread(dead.child.wait)
            log.warning("worker %d (process %d) ended: %s", number, dead.child.pid, _how(dead.child.returncode))
        self._board.sections[number].clear()
        self._treasurer.bury(dead)
        self.lines.gone(dead)
        self.vault.gone(dead)
        self._buried = add_up([self._buried, dead.counts.of_the_dead()])
        young = asyncio.get_running_loop().time() - self._started[number] < YOUNG_SECONDS
        self._pause[number] = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pause[number])) if young else 0.0
        await asyncio.sleep(self._pause[number])
        if not self._ending:
            self.members[number] = self._member()
            await self._start(number)

    # what they know

    async def stats(self) -> list[Stats]:
        return [said.stats for said in await self._ask_all("stats") if said.stats is not None]

    async def counts(self) -> Counts:
        await self._ask_all("counts")
        return add_up([self._buried, *(member.counts for member in self.members)])

    async def records(self, since: int) -> Records:
        """What all workers have recorded since, in one order."""
        fresh = [record for said in await self._ask_all("records") for record in said.records]
        for record in sorted(fresh, key=lambda record: record.at + record.duration):
            self.journal.add(record)
        return self.journal.since(since)

    async def find(self, request_id: str) -> Record | None:
        """In the memory of the workers; the newest."""
        members = list(self.members)
        answers = await asyncio.gather(*(member.ask("record", ASK_SECONDS, request_id) for member in members))
        found = [
            self._dress(record, member)
            for member, said in zip(members, answers, strict=True)
            for record in (said.records if said else ())
        ]
        return max(found, key=lambda record: record.at, default=None)

    async def _ask_all(self, what: str) -> list[Said]:
        asking = [member.ask(what, ASK_SECONDS) for member in self.members]  # type: ignore[arg-type]
        return [said for said in await asyncio.gather(*asking) if said is not None]

    def _scrape(self, member: Member, frame: Scrape) -> None:
        async def answer() -> None:
            text = scrape(await self.counts(), len(self.members), self.facts(), frame.names)
            member.answer(frame.number, text)

        task = asyncio.get_running_loop().create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _problems(self, problems: list[str]) -> None:
        """Each worker finds the same: say it once."""
        self.problems = problems
        if problems and tuple(problems) != self._said:
            log.warning("%s", "; ".join(problems))
        self._said = tuple(problems)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    return f"killed by {signal.Signals(-code).name}"


def _wait(child: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()

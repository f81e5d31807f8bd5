"""One engine process: started in its own session, watched by pidfd, signalled as a group.

The same object stands for an engine that we started and for one that we adopted; of the latter nobody but its parent
can learn the exit status. Nothing in here ends with us: when the control process goes, the engine stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from headway.sites.local.marks import PREFIX, Marks

__all__ = ["Process", "find_all", "free_port", "marked", "spawn"]

_POLL_SECONDS = 0.1
"""Between looks at a process where the system has no pidfd (macOS, old kernels)."""

_OURS_ALONE = (PREFIX + "SECRET_",)
"""Variables of our own environment that no engine is to see: it gets the secrets that its Revision names."""


_given: deque[int] = deque(maxlen=128)
"""The ports that engines were started with lately."""


class Process:
    """A running engine. `exited` is done when it has ended: its status as waitpid tells it, None when unknowable."""

    def __init__(self, pid: int, marks: Marks) -> None:
        """Raises psutil.NoSuchProcess."""
        self.pid, self.marks = pid, marks
        self._seen = psutil.Process(pid)  # holds the creation time: a reused pid is not taken for this process
        self.started_at = self._seen.create_time()
        self._child = self._seen.ppid() == os.getpid()
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[int | None] = self._loop.create_future()
        self._pidfd = _open_pidfd(pid)
        self._poll: asyncio.TimerHandle | None = None
        if self._pidfd is None:
            self._look()
        else:
            self._loop.add_reader(self._pidfd, self._on_exit)

    def signal_group(self, number: signal.Signals) -> None:
        """To the engine and all that it forked in its session."""
        if not self.exited.done() and self._is_alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def sweep(self) -> int:
        """Kill what this engine left behind outside its group; returns how many. Reads /proc: call it in a thread."""
        left = 0
        for each, marks in marked(self.marks.state):
            if each.pid != self.pid and marks.same_incarnation(self.marks):
                with contextlib.suppress(psutil.Error):
                    each.kill()
                    left += 1
        return left

    def resident_bytes(self) -> int:
        """Memory that this engine and its children hold and the kernel cannot drop: without pages mapped from files."""
        total = 0
        with contextlib.suppress(psutil.Error):
            for each in (self._seen, *self._seen.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    memory = each.memory_info()
                    total += memory.rss - getattr(memory, "shared", 0)
        return total

    def let_go(self) -> None:
        """Stop watching; the process goes on."""
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        if self._poll is not None:
            self._poll.cancel()

    def _on_exit(self) -> None:
        self.let_go()
        status = None
        if self._child:
            # Before it is reaped its pid, and so its group's id, cannot be anybody else's.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            status = _reap(self.pid)
        if not self.exited.done():
            self.exited.set_result(status)

    def _look(self) -> None:
        if self._is_alive():
            self._poll = self._loop.call_later(_POLL_SECONDS, self._look)
        else:
            self._on_exit()

    def _is_alive(self) -> bool:
        with contextlib.suppress(psutil.Error):
            return self._seen.is_running() and self._seen.status() != psutil.STATUS_ZOMBIE
        return False


def spawn(argv: Sequence[str], env: Mapping[str, str], marks: Marks, log: Path, cwd: Path) -> Process:
    """Start an engine. `env` is laid over our own environment, the marks over both. Raises OSError."""
    whole = {name: value for name, value in os.environ.items() if not name.startswith(_OURS_ALONE)}
    whole |= env
    whole["CUDA_VISIBLE_DEVICES"] = ",".join(marks.gpus) or env.get("CUDA_VISIBLE_DEVICES", "")
    whole["SPT_NOENV"] = "1"  # a program that changes its title (vLLM) would else write over its marks
    whole |= marks.to_env()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        started = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd, env=whole, start_new_session=True
        )
    finally:
        os.close(out)
    started.returncode = 0  # Process reaps it; Popen would complain of a child that outlives it
    return Process(started.pid, marks)


def marked(state: str) -> Iterator[tuple[psutil.Process, Marks]]:
    """Every live process of this user that carries marks of this state directory."""
    user = os.getuid()
    for pid in psutil.pids():  # not process_iter, which takes a reused pid for the process that had it before
        with contextlib.suppress(psutil.Error, OSError):
            each = psutil.Process(pid)
            if each.uids().real == user and each.status() != psutil.STATUS_ZOMBIE:
                marks = Marks.from_env(each.environ())
                if marks is not None and marks.state == state:
                    yield each, marks


def find_all(state: str) -> tuple[list[tuple[int, Marks]], list[psutil.Process]]:
    """The engines of this state directory, and the strays: what an engine forked and then left by dying.

    An engine leads its process group; what it forks inherits its marks but not that. When two that lead a group
    carry the marks of one Replica, the elder is the engine. (If the engine died unwatched and only a child with a
    session of its own is left, that is taken for an engine, until it has been silent for the time a start may take.)
    """
    leaders: dict[str, tuple[float, int, Marks]] = {}
    rest: list[tuple[psutil.Process, Marks]] = []
    for each, marks in sorted(marked(state), key=lambda pair: pair[0].create_time()):
        if _leads_a_group(each.pid) and marks.replica not in leaders:
            leaders[marks.replica] = (each.create_time(), each.pid, marks)
        else:
            rest.append((each, marks))
    engines = [(pid, marks) for _, pid, marks in leaders.values()]
    strays = [each for each, marks in rest if not any(marks.same_incarnation(one) for _, one in engines)]
    return engines, strays


def _leads_a_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def free_port(host: str) -> int:
    """A port that is free now and was not given to another engine of ours lately: until that one has bound it, it
    looks free, and servers that set SO_REUSEPORT would then share it unnoticed.

    Another program may still take it before the engine does; the engine then ends and gets another.
    """
    while True:
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.append(port)
            return port


def _open_pidfd(pid: int) -> int | None:
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # an old kernel, a sandbox, or it has ended already: looking finds that out
        return None


def _reap(pid: int) -> int | None:
    try:
        _, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)

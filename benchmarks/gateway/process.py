"""Child processes pinned to a core, in process groups of their own but in this session: a session of its own would be a
scheduling group of its own, and lose the precedence of ours."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

__all__ = ["BenchError", "Child", "read_line"]

STOP_SECONDS = 3.0
"""From the polite signal to the other one."""


class BenchError(Exception):
    """The benchmark cannot go on; the message says why and what to do."""


class Child:
    def __init__(
        self, argv: Sequence[str], core: int, log: Path, env: Mapping[str, str] | None = None, *, reads: bool = False
    ) -> None:
        self.log = log
        self.name = Path(argv[0]).name
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if reads else out,
                stderr=out,
                env={**os.environ, **(env or {})},
                process_group=0,
                bufsize=0,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        text = read_line(self._process.stdout, seconds)
        if text is None:
            state = "said nothing" if self.alive() else f"ended with {self._process.returncode}"
            raise BenchError(f"{self.name} {state} within {seconds:.0f} s: {self.last_words()}")
        return text

    def last_words(self) -> str:
        return " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-4:])[-600:] or "(its log is empty)"

    def stop(self) -> None:
        """The whole group, children that outlive their parent included."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def read_line(stream: IO[bytes], seconds: float) -> str | None:
    """The next line of an unbuffered pipe, or None at its end or after `seconds`."""
    end, line = time.monotonic() + seconds, bytearray()
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(stream.fileno(), 1) if ready else b""
        if not piece:
            return None
        line += piece
    return line.decode().rstrip("\n")

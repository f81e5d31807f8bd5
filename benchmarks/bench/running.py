"""A program on one core, to its end or its deadline: how long it took, what the kernel charged, what it printed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway.process import BenchError

__all__ = ["Ran", "run_to_end"]

LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Ran:
    """`begun` is monotonic; `cpu` is user and system time of the program and of all children that it waited for."""

    code: int
    begun: float
    wall: float
    cpu: float
    output: str


def run_to_end(argv: Sequence[str], core: int, folder: Path, env: Mapping[str, str], seconds: float) -> Ran:
    """Raises BenchError when it is not done after so many seconds. None of its processes is left."""
    log = folder / "output"
    with log.open("wb") as out:
        begun = time.monotonic()
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **env},
            start_new_session=True,
        )
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > begun + seconds:
                raise BenchError(f"{Path(argv[0]).name} was not done after {seconds:.0f} s: {_last_words(log)}")
            time.sleep(LOOK_SECONDS)
    finally:
        _kill_group(process)
        process.wait()  # what wait4 has taken already, it takes for ended
    process.returncode = os.waitstatus_to_exitcode(status)  # wait4 has taken it; Popen need not ask again
    cpu = usage.ru_utime + usage.ru_stime
    return Ran(process.returncode, begun, time.monotonic() - begun, cpu, log.read_text(errors="replace"))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _last_words(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])[-400:]

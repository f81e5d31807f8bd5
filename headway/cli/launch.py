"""Seeing to it that a control process runs: join the one that does, or start one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headway.cli.client import ControlClient
from headway.errors import EngineError, HeadwayError, ResourceError
from headway.paths import StateDir

__all__ = ["Addresses", "ensure_control", "was_killed"]

START_WITHIN = 30.0
"""Seconds from its exec to its socket; it is there in well under one."""
STOP_WITHIN = 5.0
ALREADY_RUNS = 5
"""Its exit status when another one holds the state directory: we then join that one."""


@dataclass(frozen=True, slots=True)
class Addresses:
    host: str
    port: int
    page_port: int
    gateway_workers: int = 1
    gateway_options: tuple[str, ...] = ()


def ensure_control(client: ControlClient, addresses: Addresses) -> bool:
    """True when the one that answers was started by this call. Raises the error that it ended with."""
    if client.pid() is not None:
        return False
    client.state.create()
    log = client.state.logs / "control.log"
    before = log.stat().st_size if log.exists() else 0
    process: subprocess.Popen[bytes] | None = None
    try:
        with _no_interruption():
            process = _start(client.state, addresses)
        return _answering(client, process, before) == process.pid
    except KeyboardInterrupt:
        if process is not None:
            _stop(client, process)
        raise


@contextmanager
def _no_interruption() -> Iterator[None]:
    """Ctrl-C and SIGTERM count when the block is through: else there could be a process that nobody knows of."""
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: caught.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])


def was_killed(client: ControlClient) -> bool:
    """No control process answers, and the last one had no time to stop its gateway and engines."""
    return client.state.table.exists() and client.pid() is None


def _answering(client: ControlClient, process: subprocess.Popen[bytes], before: int) -> int:
    """The pid of the one that answers: ours, or one that another `headway up` started at the same time."""
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        status = process.poll()
        if (pid := client.pid()) is not None:
            return pid
        if status not in (None, ALREADY_RUNS):
            raise _last_error(client.state.logs / "control.log", before, status)
        time.sleep(0.01)
    process.kill()
    log = client.state.logs / "control.log"
    raise EngineError(f"the control process did not answer within {START_WITHIN:g} s", hint=f"see {log}")


def _stop(client: ControlClient, process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C while it starts: its gateway may run already, so it is let up and asked to end all of it.

    As long as a start may take: killed sooner, on a machine that is slow, it would leave its gateway behind.
    """
    deadline = time.monotonic() + START_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        if client.pid() == process.pid:
            client.down(None, STOP_WITHIN)
            return
        time.sleep(0.02)
    process.kill()


def _start(state: StateDir, addresses: Addresses) -> subprocess.Popen[bytes]:
    argv = [
        sys.executable,
        "-P",
        "-m",
        "headway.cli.control_process",
        "--state-dir",
        str(state.root),
        "--host",
        addresses.host,
    ]
    argv += ["--port", str(addresses.port), "--page-port", str(addresses.page_port)]
    argv += ["--gateway-workers", str(addresses.gateway_workers)]
    argv += [f"--gateway-option={each}" for each in addresses.gateway_options]
    with (state.logs / "control.log").open("ab") as log:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"HEADWAY_STATE_DIR": str(state.root)},
            start_new_session=True,
        )


def _last_error(log: Path, before: int, status: int | None) -> HeadwayError:
    """What it said since `before` bytes of its log; its last line says why it ended."""
    with log.open("rb") as file:
        file.seek(before)
        lines = file.read().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "it said nothing"
    if last.startswith("error: "):
        message, _, hint = last.removeprefix("error: ").partition("; ")
        return (ResourceError if status == 1 else HeadwayError)(message, hint=hint)
    return EngineError(f"the control process ended with status {status}: {last}", hint=f"see {log}")

"""Seeing to it that a control process runs: join the one that does, or start one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from headway.cli.client import ControlClient
from headway.errors import EngineError, from_wire
from headway.paths import StateDir

__all__ = ["Addresses", "ensure_control"]

START_WITHIN = 30.0
"""Seconds from its exec to its socket; it is there in well under one."""
ALREADY_RUNS = 5
"""Its exit status when another one holds the state directory: we then join that one."""


@dataclass(frozen=True, slots=True)
class Addresses:
    host: str
    port: int
    page_port: int


def ensure_control(client: ControlClient, addresses: Addresses) -> bool:
    """True when it was started by this call. Raises the error that it ended with."""
    if client.runs():
        return False
    process = _start(client.state, addresses)
    deadline = time.monotonic() + START_WITHIN
    while time.monotonic() < deadline:
        status = process.poll()
        if client.runs():
            return status is None
        if status not in (None, ALREADY_RUNS):
            raise _last_error(client.state, status)
        time.sleep(0.01)
    process.kill()
    log = client.state.logs / "control.log"
    raise EngineError(f"the control process did not answer within {START_WITHIN:g} s", hint=f"see {log}")


def _start(state: StateDir, addresses: Addresses) -> subprocess.Popen[bytes]:
    state.create()
    argv = [
        sys.executable,
        "-m",
        "headway.cli.control_process",
        "--state-dir",
        str(state.root),
        "--host",
        addresses.host,
    ]
    argv += ["--port", str(addresses.port), "--page-port", str(addresses.page_port)]
    with (state.logs / "control.log").open("ab") as log:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"HEADWAY_STATE_DIR": str(state.root)},
            start_new_session=True,
        )


def _last_error(state: StateDir, status: int | None) -> Exception:
    log = state.logs / "control.log"
    lines = log.read_text(errors="replace").strip().splitlines()
    last = lines[-1] if lines else ""
    if last.startswith("error: "):
        message, _, hint = last.removeprefix("error: ").partition("; ")
        return from_wire({"code": "no_resource" if status == 1 else "failed", "message": message, "hint": hint})
    return EngineError(f"the control process ended with status {status}: {last}", hint=f"see {log}")

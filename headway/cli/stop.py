"""Stopping from the command: what a failed or interrupted `up` takes back, and the second Ctrl-C that kills."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from headway.cli.client import ControlClient
from headway.cli.follow import is_model
from headway.errors import HeadwayError, UnreachableError

__all__ = ["stop_everything", "take_back"]

GRACE = 10.0
"""Seconds beyond the drain deadline."""
STATE_WITHIN = 2.0
"""Seconds to tell us the pids, when somebody presses Ctrl-C for the second time."""


def take_back(client: ControlClient, started: bool, changes: list[dict[str, str]]) -> None:
    """Nothing half-done behind. A control process that serves others by now goes on; only the added Models go.

    Tells on stderr what stays, and what could not be taken back: the error that led here is told by the caller.
    """
    # Models first: the last Tenant may not go while there are any and other machines can reach the gateway.
    added = [each["name"] for each in sorted(changes, key=is_model, reverse=True) if each["change"] == "added"]
    tenants = [each["name"] for each in changes if each["change"] == "added" and not is_model(each)]
    changed = [each["name"] for each in changes if each["change"] == "changed"]
    try:
        alone = started and not _others(client, added)
        for name in added if tenants or not alone else ():
            client.down(name, GRACE)
        if alone:
            stop_everything(client)
            return
    except UnreachableError:
        return  # it has ended meanwhile
    except HeadwayError as error:
        print(f"not all of it could be taken back: {error}", file=sys.stderr)
    for name in changed:
        print(f"{name} stays as changed: headway status {name}, or change the file and up again", file=sys.stderr)


def stop_everything(client: ControlClient) -> None:
    """Returns when nothing of it runs. Ctrl-C meanwhile kills all of it at once."""
    try:
        client.down(None, GRACE)
    except KeyboardInterrupt:
        _kill(client)


def _others(client: ControlClient, added: list[str]) -> list[str]:
    state = client.get("/state")
    there = (*state["models"], *state.get("apps", ()))
    return [each["name"] for each in there if each["name"] not in added and each["state"] != "stopping"]


def _kill(client: ControlClient) -> None:
    """The control process first, so that it starts nothing again; `down` has already made it want nothing."""
    snapshot = client.get("/state", within=STATE_WITHIN)
    engines = [each["pid"] for one in (*snapshot["models"], *snapshot.get("apps", ())) for each in one["replicas"]]
    for pid in (snapshot["control"]["pid"], snapshot["gateway"]["pid"], *engines):
        if pid:
            with contextlib.suppress(ProcessLookupError):
                # Each leads a process group of its own, which takes its children along.
                os.killpg(pid, signal.SIGKILL)
    for path in (client.state.control_socket, client.state.table):
        path.unlink(missing_ok=True)

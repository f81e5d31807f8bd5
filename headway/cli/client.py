"""The command's side of the control process's UNIX socket. Small and quick to import: every verb starts with it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from headway.errors import UnreachableError, UsageError, from_wire
from headway.paths import StateDir

__all__ = ["ControlClient"]

NOT_FOUND = 404

END_WITHIN = 15.0
"""Seconds from its last answer to its end."""

ANSWER_WITHIN = 30.0
"""Seconds for what the control process knows already."""
APPLY_WITHIN = 600.0
"""Seconds for pinning sources: a hub may be slow, a large file must be read once for its digest."""
EVENT_WITHIN = 15.0
"""Seconds between two Snapshots; one comes every second."""


class ControlClient:
    """Errors come as the HeadwayError that the control process raised; no process: UnreachableError."""

    def __init__(self, state: StateDir | None = None) -> None:
        self.state = state or StateDir.default()

    def pid(self) -> int | None:
        """Of the control process that answers; None when none does."""
        try:
            pid: int = self.get("/state")["control"]["pid"]
        except UnreachableError:
            return None
        return pid

    def get(self, path: str, *, within: float = ANSWER_WITHIN) -> Any:
        return self._ask("GET", path, None, within)

    def apply(
        self,
        models: list[dict[str, Any]],
        tenants: list[dict[str, Any]],
        routes: list[dict[str, Any]],
        apps: list[dict[str, Any]],
        *,
        prune: bool,
        origin: str,
        places: dict[str, str],
    ) -> list[dict[str, str]]:
        asked: dict[str, Any] = {"models": models, "tenants": tenants, "routes": routes, "apps": apps}
        asked |= {"prune": prune, "origin": origin, "places": places}
        changes: list[dict[str, str]] = self._ask("POST", "/apply", asked, APPLY_WITHIN)["changes"]
        return changes

    def keys(self, verb: str, asked: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = self._ask("POST", f"/keys/{verb}", asked, ANSWER_WITHIN)
        return told

    def open(self, name: str) -> dict[str, str]:
        """Wakes an App: what its address ends in, and the password that it asks for."""
        told: dict[str, str] = self._ask("POST", f"/open/{quote(name, safe='')}", {}, ANSWER_WITHIN)
        return told

    def down(self, name: str | None, grace: float) -> list[str]:
        """Returns when they are gone; without a name, when the control process is gone too."""
        removed: list[str] = self._ask("POST", "/down", {"name": name, "grace": grace}, grace + 120)["removed"]
        if name is None:
            self._wait_for_its_end()
        return removed

    def events(self) -> Iterator[dict[str, Any]]:
        """Snapshots as they come; ends when the control process does."""
        for line in self.lines("/events", EVENT_WITHIN):
            yield json.loads(line)

    def lines(self, path: str, timeout: float | None) -> Iterator[str]:
        connection = self._connect(timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status != 200:
                raise from_wire(json.loads(answer.read())["error"])
            for line in answer:
                yield line.decode(errors="replace")
        except (http.client.HTTPException, ConnectionError):
            return
        except TimeoutError:
            raise UnreachableError(
                "the control process fell silent", hint=f"see {self.state.logs / 'control.log'}"
            ) from None
        finally:
            connection.close()

    def _ask(self, method: str, path: str, body: Any, timeout: float) -> Any:
        connection = self._connect(timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == NOT_FOUND and not text.startswith(b"{"):
                raise UsageError(f"nothing at {path} here", hint="headway ls names the models")
            told = json.loads(text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            log = self.state.logs / "control.log"
            raise UnreachableError(
                f"the control process broke off: {str(error) or type(error).__name__}", hint=f"see {log}"
            ) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise from_wire(told["error"])
        return told

    def _wait_for_its_end(self) -> None:
        """It holds its lock to the last; the kernel lets go of it."""
        import fcntl  # noqa: PLC0415

        deadline = time.monotonic() + END_WITHIN
        with self.state.lock.open("a") as lock:
            while time.monotonic() < deadline:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    time.sleep(0.02)
        raise UnreachableError("the control process did not end", hint=f"see {self.state.logs / 'control.log'}")

    def _connect(self, timeout: float | None) -> http.client.HTTPConnection:
        connection = _UnixConnection(str(self.state.control_socket), timeout)
        try:
            connection.connect()
        except OSError as error:
            raise self._absent(error) from error
        return connection

    def _absent(self, error: OSError) -> UnreachableError:
        if not isinstance(error, FileNotFoundError | ConnectionRefusedError):
            path = self.state.control_socket
            return UnreachableError(f"{path}: {error.strerror or error}", hint="is HEADWAY_STATE_DIR the right folder?")
        if isinstance(error, ConnectionRefusedError):
            return UnreachableError(
                "the control process was killed; gateway and engines may still serve",
                hint="take them over with headway up, or stop them with headway down",
            )
        return UnreachableError("no Headway is running here", hint="start one: headway up examples/chat.yaml")


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise

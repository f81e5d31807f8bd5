"""The gateway as the control process keeps it: started once, adopted when found, started again when it dies.

It is a hub process with its workers (`headway.gateway.hub`). It is no child that dies with us: it has its own session,
and after a kill -9 of the control process it goes on serving with the last RoutingTable. Its UNIX socket says whether
the hub lives; when only the hub is gone, its workers serve until the next hub's do.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec
import psutil

from headway.control.settings import ControlSettings
from headway.errors import EngineError, ResourceError, UnreachableError
from headway.gateway.record import Stats
from headway.gateway.story import Found, Story, from_log
from headway.gateway.table import KeyEntry, ModelRoute, RoutingTable, TenantRule, read_table, write_table
from headway.policy.route import RouteRule
from headway.wire.probe import get_unix

__all__ = ["GatewayProcess", "claim_port"]

WORKERS = ("headway.gateway.worker", "headway.gateway.picker.worker")  # as their command lines name them
MARK = "HEADWAY_GATEWAY"  # environment of our gateway's processes: the state directory they serve
SILENT_PASSES = 5  # passes (of 2 s deadline each) without an answer before a living hub is taken for hung


class GatewayProcess:
    """The gateway. `stats` is the last answer, None while it does not answer."""

    def __init__(self, settings: ControlSettings) -> None:
        self._settings, self._hub = settings, settings.gateway_program
        self._socket = settings.state.gateway_socket
        self._log = settings.state.logs / "gateway.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._table = _last_table(settings.state.table)
        self._pid: int | None = None
        self._silent = 0
        self.stats: Stats | None = None

    @property
    def address(self) -> str:
        return self.stats.address if self.stats else f"http://{self._settings.host}:{self._settings.port}"

    async def open(self, deadline: float = 30.0, *, first: bool = True) -> bool:
        """Adopt the gateway that runs (True), or start one. Without `first` it gets no table that nobody has published,
        and is not ready until then. Raises ResourceError when its port is taken, EngineError when it ends or stays
        silent."""
        if await self.observe():
            return True
        self._end_strays(self._hub)
        if not self._marked(*WORKERS):
            claim_port(self._settings.host, self._settings.port, "--port").close()
        if first and not self._settings.state.table.exists():
            write_table(self._settings.state.table, self._table)
        self._spawn()
        silent_until = asyncio.get_running_loop().time() + deadline
        while not await self.observe():
            if self._child and self._child.poll() is not None:
                raise EngineError(f"the gateway ended at start{self._last_words()}", hint=self._see)
            if asyncio.get_running_loop().time() > silent_until:
                raise EngineError(f"the gateway did not answer within {deadline:.0f} s", hint=self._see)
            await asyncio.sleep(0.02)
        return False

    async def observe(self) -> Stats | None:
        """Ask it how it is; None when it does not answer."""
        try:
            answer = await get_unix(self._socket, "/stats", timeout=2.0)
            self.stats = msgspec.json.decode(answer.body, type=Stats)
            self._pid = self.stats.pid
        except (UnreachableError, msgspec.MsgspecError):
            self.stats = None
        return self.stats

    async def keep(self) -> None:
        """One pass: observe; start it again when it is gone, or alive but silent for too long."""
        if await self.observe():
            self._silent = 0
            return
        self._silent += 1
        if self._alive() and self._silent < SILENT_PASSES:
            return
        self._end_strays(self._hub)
        self._spawn()

    def publish(
        self,
        models: tuple[ModelRoute, ...],
        tenants: tuple[TenantRule, ...] = (),
        keys: tuple[KeyEntry, ...] = (),
        routes: tuple[RouteRule, ...] = (),
    ) -> int:
        """Hand it what it shall route and admit by, if that changed or is the first; returns the table's version."""
        last, is_first = self._table, not self._settings.state.table.exists()
        if is_first or (models, tenants, keys, routes) != (last.models, last.tenants, last.keys, last.routes):
            self._table = RoutingTable(last.version + 1, models, tenants, keys, routes=routes)
            write_table(self._settings.state.table, self._table)
            if self.stats:
                with contextlib.suppress(psutil.Error):
                    self._signal(signal.SIGHUP)
        return self._table.version

    async def story(self, request_id: str) -> Story | None:
        """Of one request, as the gateway tells it; when it does not answer, as its log does."""
        try:
            answer = await get_unix(self._socket, f"/explain?id={quote(request_id, safe='')}", timeout=5.0)
            return msgspec.json.decode(answer.body, type=Found).story
        except (UnreachableError, msgspec.MsgspecError):
            return await asyncio.to_thread(from_log, self._settings.state.requests, request_id)

    async def close(self, grace: float) -> None:
        """End it: SIGTERM, then SIGKILL after `grace` seconds."""
        await self.observe()
        with contextlib.suppress(psutil.NoSuchProcess):
            process = self._signal(signal.SIGTERM)
            _, alive = await asyncio.to_thread(psutil.wait_procs, [process], timeout=grace)
            if alive:
                self._end_strays(self._hub, *WORKERS)
        self.stats = None

    def _spawn(self) -> None:
        settings = self._settings
        argv = [sys.executable, "-P", "-m", self._hub, "--table", str(settings.state.table)]
        argv += ["--workers", str(settings.gateway_workers), "--ledger", str(settings.state.database)]
        if self._hub == "headway.gateway":
            argv += ["--requests", str(settings.state.requests)]
        argv += settings.gateway_options
        argv += ["--host", settings.host, "--port", str(settings.port), "--socket", str(self._socket)]
        self._silent = 0
        with contextlib.nullcontext() if settings.gateway_says_here else self._log.open("ab") as log:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=settings.state.root,
                env=os.environ | {MARK: str(settings.state.root)},
                start_new_session=True,
            )
        self._pid = self._child.pid

    @property
    def _see(self) -> str:
        return "its log above says why" if self._settings.gateway_says_here else f"see {self._log}"

    def _last_words(self) -> str:
        if self._settings.gateway_says_here:
            return ""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f": {lines[-1] if lines else 'without a word'}"

    def _alive(self) -> bool:
        if self._child is not None and self._child.pid == self._pid:
            return self._child.poll() is None
        with contextlib.suppress(psutil.Error):
            return bool(self._process())
        return False

    def _process(self) -> psutil.Process:
        """The gateway. Raises psutil.NoSuchProcess when it is gone, and its number somebody else's by now."""
        if self._pid is None or not self._is_ours(process := psutil.Process(self._pid)):
            raise psutil.NoSuchProcess(self._pid or 0)
        return process

    def _signal(self, number: signal.Signals) -> psutil.Process:
        process = self._process()
        process.send_signal(number)
        return process

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error, OSError):
            return bool(process.environ().get(MARK) == str(self._settings.state.root))
        return False

    def _end_strays(self, *programs: str) -> None:
        """A hub of ours that does not answer would keep the next one out."""
        for process in self._marked(*programs):
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(5)

    def _marked(self, *programs: str) -> Sequence[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if self._is_ours(process) and not set(programs).isdisjoint(process.cmdline()):
                    found.append(process)
        return found


def claim_port(host: str, port: int, option: str) -> socket.socket:
    """A socket bound to the port, or ResourceError that names who holds it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    claimed = socket.socket(family, socket.SOCK_STREAM)
    claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        claimed.bind((host, port))
    except OSError as error:
        claimed.close()
        if error.errno == errno.EADDRINUSE:
            raise ResourceError(
                f"port {port} is taken{_holder(port)}",
                hint=f"choose another with {option}, e.g. {option} {port + 10}",
            ) from error
        raise ResourceError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="check --host and the port"
        ) from error
    return claimed


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            held = connection.laddr.port if connection.laddr else 0
            if connection.status == psutil.CONN_LISTEN and held == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""


def _last_table(path: Path) -> RoutingTable:
    """The table of an earlier run, so that versions only grow; a first or unreadable one starts at 0."""
    try:
        return read_table(path)
    except (OSError, msgspec.MsgspecError):
        return RoutingTable(version=0)

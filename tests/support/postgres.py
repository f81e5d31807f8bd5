"""A real PostgreSQL for tests: its own cluster in a folder of its own, as a user that is not root."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

__all__ = ["PostgresServer", "start_postgres"]

USER = "postgres"
OPTIONS = {
    "fsync": "off",  # what is tested is kill -9 of the server, not of the machine
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "autovacuum": "off",
    "shared_buffers": "16MB",
}


class PostgresServer:
    """`create` makes an empty place for one test, and returns its URL."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.data = self.folder / "data"
        self._as: list[str] = []
        if os.getuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self._run("initdb", "-D", str(self.data), "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.child: subprocess.Popen[bytes] | None = None
        self._names = 0
        self.start()

    def start(self) -> None:
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        argv = [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port), "-k", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.child = subprocess.Popen([*self._as, *argv, *options], stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            assert self.child.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.05)

    @property
    def url(self) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def create(self) -> str:
        """A schema of its own: a database would take a second."""
        self._names += 1
        name = f"ledger_{self._names}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")  # type: ignore[call-overload]
        return f"{self.url}?options=-csearch_path%3D{name}"

    def processes(self) -> list[int]:
        """The server and those that serve its clients."""
        assert self.child
        found = subprocess.run(["pgrep", "-P", str(self.child.pid)], capture_output=True, text=True, check=False)
        return [self.child.pid, *map(int, found.stdout.split())]

    def freeze(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """As a power cut does."""
        assert self.child
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.child.wait()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.kill()  # nothing of it is kept
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *words: str) -> None:
        argv = [*self._as, str(self.programs / program), *words]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=self.folder, check=False)
        assert done.returncode == 0, done.stderr


def start_postgres() -> Iterator[PostgresServer]:
    """Until it is closed. Skips where none can be had."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and not on_path:
        pytest.skip("no PostgreSQL is installed here: apt-get install postgresql")
    if os.getuid() == 0 and not any(each.pw_name == USER for each in pwd.getpwall()):
        pytest.skip(f"PostgreSQL does not run as root, and there is no user {USER!r}")
    server = PostgresServer(found[-1].parent if found else Path(str(on_path)).resolve().parent)
    try:
        yield server
    finally:
        server.close()

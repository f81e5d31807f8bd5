"""What the command is tested against when a real control process would not do as told: scripted answers over the real
socket, a gateway that answers with given bytes, and a terminal with a screen to look at."""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import json
import os
import pty
import re
import select
import signal
import socketserver
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from headway.control.snapshot import Snapshot
from headway.paths import StateDir

__all__ = ["FakeControl", "FakeGateway", "Terminal"]

HEARTBEAT = 0.2


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        """Tests look at what the command says."""

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"null")


class _ControlHandler(_Handler):
    def do_GET(self) -> None:
        control: FakeControl = self.server.control
        if self.path == "/events":
            self._events(control)
        elif self.path == "/state":
            self._answer(200, msgspec.json.encode(control.now))
        else:
            self._answer(*control.answer("GET", self.path, None))

    def do_POST(self) -> None:
        control: FakeControl = self.server.control
        self._answer(*control.answer("POST", self.path, self.body()))

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _events(self, control: FakeControl) -> None:
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        control.watched.set()
        with contextlib.suppress(OSError):
            while not control.ended.is_set():
                self.wfile.write(msgspec.json.encode(control.now) + b"\n")
                control.moved.wait(HEARTBEAT)


class FakeControl:
    """A control process as the command sees it. `show` puts up the next Snapshot; `end` closes its streams."""

    def __init__(self, state: StateDir, first: Snapshot) -> None:
        self.now = first
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.watched, self.moved, self.ended = threading.Event(), threading.Event(), threading.Event()
        self._socket = state.create().control_socket
        self._server = _UnixServer(str(self._socket), _ControlHandler)
        self._server.control = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def will(self, method: str, path: str, payload: Any, status: int = 200) -> None:
        self.answers[method, path] = (status, payload)

    def will_apply(self, **changes: str) -> None:
        """Name -> what changes; every Revision is the one that `tests.support.snapshots` gives a Model."""
        revision = self.now.models[0].revision if self.now.models else "3fa92c81d0"
        told = [{"name": name, "change": change, "revision": revision} for name, change in changes.items()]
        self.will("POST", "/apply", {"changes": told})

    def answer(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        self.asked.append((method, path, body))
        status, payload = self.answers.get((method, path), (404, {"error": {"code": "usage", "message": path}}))
        return status, payload if isinstance(payload, bytes) else json.dumps(payload).encode()

    def downs(self) -> list[str | None]:
        return [body["name"] for method, path, body in self.asked if (method, path) == ("POST", "/down")]

    def show(self, snapshot: Snapshot) -> None:
        self.now = snapshot
        self.moved.set()
        self.moved.clear()

    def end(self, *, killed: bool = False) -> None:
        """A killed one leaves its socket behind; one that ends by itself does not."""
        if not killed:
            self._socket.unlink(missing_ok=True)
        self.ended.set()
        self.moved.set()

    def close(self) -> None:
        self.end()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = False
    control: FakeControl


class _GatewayHandler(_Handler):
    def do_POST(self) -> None:
        gateway: FakeGateway = self.server.gateway
        gateway.asked.append((self.path, self.body()))
        status, kind, pieces = gateway.script
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("x-request-id", "req-1")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.wfile.write(piece)
            if gateway.holds:
                gateway.released.wait(30)


class FakeGateway:
    """Answers every request with `script`: status, content type, pieces of the body; `holds` keeps it open then."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.script: tuple[int, str, list[bytes]] = (200, "text/event-stream", [])
        self.holds, self.released = False, threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _GatewayHandler)
        self._server.daemon_threads = False
        self._server.gateway = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def streams(self, *events: Any, done: bool = True) -> None:
        pieces = [b"data: " + json.dumps(each).encode() + b"\n\n" for each in events]
        self.script = (200, "text/event-stream", [*pieces, *([b"data: [DONE]\n\n"] if done else [])])

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Terminal:
    """A command on a terminal of its own; `screen` is what a person would see of it."""

    def __init__(self, command: list[str], env: dict[str, str], *, columns: int = 100) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        without = {key: value for key, value in env.items() if key not in ("NO_COLOR", "COLUMNS")}
        self.process = subprocess.Popen(
            command,
            env=without | {"TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: _take(slave),  # noqa: PLW1509
        )
        os.close(slave)
        self.raw = ""
        self._found = 0

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def until(self, text: str, deadline: float = 30.0) -> str:
        """Read until `text` was written, after what the last `until` found; returns what came before it."""
        start, end = self._found, time.monotonic() + deadline
        while (at := self.raw.find(text, start)) < 0:
            if not self._read(end):
                screen = "\n".join(self.screen())
                raise AssertionError(f"no {text!r} on:\n{screen}")
        self._found = at + len(text)
        return self.raw[start:at]

    def wait(self, deadline: float = 60.0) -> int:
        end = time.monotonic() + deadline
        while self._read(end):
            pass
        return self.process.wait(max(0.1, end - time.monotonic()))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def screen(self) -> list[str]:
        return _screen(self.raw)

    def _read(self, end: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
        try:
            read = os.read(self._master, 65536) if ready else b""
        except OSError:  # the last process on it has ended
            read = b""
        self.raw += read.decode(errors="replace")
        return bool(read)


def _take(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


_TOKEN = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


def _screen(raw: str) -> list[str]:
    """The lines that stand there at the end: text, carriage return, newline, cursor up, erase line."""
    lines, row, column = [""], 0, 0
    for number, command, back, down, text in _tokens(raw):
        if text:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + text + line[column + len(text) :]
            column += len(text)
        elif back:
            column = 0
        elif down:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif command == "A":
            row = max(0, row - int(number or 1))
        elif command == "K":
            lines[row] = ""
    return [line.rstrip() for line in lines if line.strip()]


def _tokens(raw: str) -> Iterator[tuple[str, ...]]:
    for found in _TOKEN.finditer(raw):
        yield tuple(part or "" for part in found.groups())

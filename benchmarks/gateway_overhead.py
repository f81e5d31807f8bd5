"""What the gateway adds to a request: interleaved pairs, direct against through the gateway, on a trivial
engine.

    python benchmarks/gateway_overhead.py [--pairs 5] [--seconds 2] [--concurrency 8 64]

The engine and the load generator are the leanest that Python gives (a Protocol on uvloop each), in processes
of their own; all on loopback. Printed: requests a second, the ratio, the gateway's CPU time a request (user +
system, from /proc), and the added latency at p50 and p99 (difference of the two percentiles of a pair; the
median over the pairs). With two cores or fewer the three processes share them: the CPU time a request is then
the figure that holds, and one core of the gateway alone does its inverse.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from headway.gateway.table import Endpoint, ModelRoute, RoutingTable, write_table

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"' + b"word " * 40 + b'"},"finish_reason":"stop"}],"usage":'
    b'{"prompt_tokens":200,"completion_tokens":40,"total_tokens":240,"prompt_tokens_details":{"cached_tokens":0}}}'
)
ENGINE_SAYS = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 900 + b'"}],"max_tokens":16}'


class Engine(asyncio.Protocol):
    """Answers each POST whose whole body has come, without reading it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            at = self.rest.find(b"content-length: ", 0, end)
            length = int(self.rest[at + 16 : self.rest.find(b"\r\n", at)])
            if len(self.rest) < end + 4 + length:
                return
            self.rest = self.rest[end + 4 + length :]
            self.transport.write(ENGINE_SAYS)


async def serve_engine(listener: socket.socket) -> None:
    server = await asyncio.get_running_loop().create_server(Engine, sock=listener)
    await server.serve_forever()


class Caller(asyncio.Protocol):
    """A closed loop: the next request goes out when the answer has come."""

    def __init__(self, until: float, times: list[float]) -> None:
        self.until, self.times = until, times
        self.done = asyncio.get_running_loop().create_future()
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
        )

    def data_received(self, data: bytes) -> None:
        self.rest = self.rest + data if self.rest else data
        end = self.rest.find(b"\r\n\r\n")
        at = self.rest.find(b"content-length: ", 0, end)
        if end < 0 or len(self.rest) < end + 4 + int(self.rest[at + 16 : self.rest.find(b"\r\n", at)]):
            return
        assert self.rest.startswith(b"HTTP/1.1 200"), self.rest[:400]
        self.rest = b""
        now = time.perf_counter()
        self.times.append(now - self.sent)
        if now < self.until:
            self.ask()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.done.set_result(None)


async def load(port: int, concurrency: int, seconds: float) -> tuple[float, list[float]]:
    """Requests a second and all latencies, sorted."""
    loop, times = asyncio.get_running_loop(), []
    start = time.perf_counter()
    callers = [
        (await loop.create_connection(lambda: Caller(start + seconds, times), "127.0.0.1", port))[1]
        for _ in range(concurrency)
    ]
    await asyncio.gather(*(caller.done for caller in callers))
    return len(times) / (time.perf_counter() - start), sorted(times)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))] * 1e3


def wait_for(path: Path, mark: str) -> str:
    """The file's text, once it contains the mark."""
    end = time.monotonic() + 10
    while not (path.exists() and mark in path.read_text()):
        assert time.monotonic() < end, f"{path}: no {mark!r}: {path.read_text() if path.exists() else 'missing'}"
        time.sleep(0.01)
    return path.read_text()


def measure(engine: int, gateway: int, pid: int, given: argparse.Namespace) -> None:
    names = ("conc", "direct/s", "gateway/s", "ratio", "CPU us/req", "+p50 ms", "+p99 ms")
    print(" ".join(f"{name:>10}" for name in names))
    for concurrency in given.concurrency:
        rows = []
        uvloop.run(load(gateway, concurrency, 0.5))
        for _ in range(given.pairs):
            direct, direct_times = uvloop.run(load(engine, concurrency, given.seconds))
            before = cpu_seconds(pid)
            through, times = uvloop.run(load(gateway, concurrency, given.seconds))
            micros = (cpu_seconds(pid) - before) / len(times) * 1e6
            added = [percentile(times, share) - percentile(direct_times, share) for share in (0.5, 0.99)]
            rows.append((direct, through, through / direct, micros, *added))
        middle = [statistics.median(column) for column in zip(*rows, strict=True)]
        figures = zip(middle, ("10.0f", "10.0f", "10.3f", "10.1f", "10.3f", "10.3f"), strict=True)
        print(f"{concurrency:>10}", *(format(figure, form) for figure, form in figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--engine", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        given.engine.write_text(f"{listener.getsockname()[1]}\n")
        uvloop.run(serve_engine(listener))
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        here = Path(folder)

        def start(*argv: str) -> subprocess.Popen[bytes]:
            child = subprocess.Popen([sys.executable, *argv], stderr=(here / "log").open("ab"))
            stack.callback(child.wait)
            stack.callback(child.terminate)
            return child

        start(__file__, "--engine", str(here / "port"))
        engine = int(wait_for(here / "port", "\n"))
        endpoint = Endpoint("e-0.1", "e-0", "r", f"http://127.0.0.1:{engine}")
        write_table(here / "table.json", RoutingTable(1, (ModelRoute("m", "chat", (endpoint,)),)))
        module = ["-m", "headway.gateway", "--table", str(here / "table.json"), "--port", "0"]
        gateway = start(*module, "--socket", str(here / "g.sock"))
        address = wait_for(here / "log", "listening on ").split("listening on ")[1].split()[0]
        measure(engine, int(address.rpartition(":")[2]), gateway.pid, given)


if __name__ == "__main__":
    main()

"""Cold start, memory, `--help` and throughput of a whole Headway on this machine, against the bare engine.

    python -m benchmarks.first_light [--pairs 5]

Cold start: from the exec of `headway up examples/chat.yaml -d` to the first token through the gateway, against the
very llama-server command line that Headway used, from its exec to its `/health` (its own load time), in turn.
Throughput: the same engine process asked directly and through the gateway, in turn; concurrency 8.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil

from headway.bench.conduct import conduct
from headway.bench.plan import RunPlan, Target
from headway.bench.record import Record
from headway.spec.check import workload_from_json
from tests.support.ports import free_port
from tests.support.running import EXAMPLES, Headway

CONCURRENCY = 8
LOAD = workload_from_json(
    {
        "name": "steady",
        "model": "chat",
        "operation": "completion",
        "stream": False,
        "prompt": 12,
        "output": 32,
        "arrivals": {"concurrency": CONCURRENCY},
        "requests": 64,
    }
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        _help(pairs)
        argv = _steady(Path(folder), pairs)
        _cold_start(Path(folder), argv, pairs)


def _help(runs: int) -> None:
    seconds = []
    for _ in range(2 * runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "headway", "--help"], stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - started)
    _row("headway --help", seconds[1:], "s")


def _steady(folder: Path, pairs: int) -> list[str]:
    """Memory and throughput of one serving Headway; returns the command line of its engine."""
    headway = Headway(folder / "steady")
    headway.state.parent.mkdir()
    try:
        headway.up_ok(EXAMPLES / "chat.yaml")
        engine = psutil.Process(next(iter(headway.pids("chat").values())))
        address = headway.status("chat")["replicas"][0]["address"]
        ratios, direct, through = asyncio.run(_throughput(address, headway.port, pairs))
        _row(f"tokens/s direct, concurrency {CONCURRENCY}", direct, "tok/s")
        _row(f"tokens/s through Headway, concurrency {CONCURRENCY}", through, "tok/s")
        _row("throughput ratio, pair by pair", ratios, "x")
        sizes = {_name(each): _pss(each) for each in headway.processes() if each.pid != engine.pid}
        for name, size in sorted(sizes.items()):
            print(f"{'PSS of ' + name:<46} {size / 2**20:8.1f} MiB")
        print(f"{'PSS of control and gateway together':<46} {sum(sizes.values()) / 2**20:8.1f} MiB")
        return engine.cmdline()
    finally:
        headway.close()


async def _throughput(address: str, port: int, pairs: int) -> tuple[list[float], list[float], list[float]]:
    host, _, engine_port = address.rpartition(":")

    async def tokens_per_second(asked: int) -> float:
        records: list[Record] = []
        target = Target(url=f"http://{host}:{asked}", dialect="engine")
        await conduct(RunPlan(workload=LOAD, target=target, workers=1, preflight=False, scrape=""), records.append)
        assert not any(record.error for record in records), records
        seconds = max(each.ended or 0.0 for each in records) - min(each.sent or 0.0 for each in records)
        return sum(each.output_tokens or 0 for each in records) / seconds

    await tokens_per_second(int(engine_port))  # warm
    await tokens_per_second(port)
    direct, through = [], []
    for _ in range(pairs):
        direct.append(await tokens_per_second(int(engine_port)))
        through.append(await tokens_per_second(port))
    return [t / d for t, d in zip(through, direct, strict=True)], direct, through


def _cold_start(folder: Path, argv: list[str], pairs: int) -> None:
    bare, ours = [], []
    for number in range(pairs + 1):
        bare.append(_bare_load(argv))
        ours.append(_up_to_first_token(folder / f"cold-{number}"))
    _row("bare llama-server, start to /health", bare[1:], "s")
    _row("headway up, start to first token", ours[1:], "s")
    _row("above the bare load time, pair by pair", [o - b for o, b in zip(ours[1:], bare[1:], strict=True)], "s")


def _bare_load(argv: list[str]) -> float:
    port = free_port()
    argv = list(argv)
    argv[argv.index("--port") + 1] = str(port)
    started = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.005)
        seconds = time.perf_counter() - started
        process.kill()
    return seconds


def _up_to_first_token(folder: Path) -> float:
    folder.mkdir()
    headway = Headway(folder)
    try:
        started = time.perf_counter()
        ports = ["--port", str(headway.port), "--page-port", str(headway.page_port)]
        command = headway.command("up", str(EXAMPLES / "chat.yaml"), "-d", *ports)
        with subprocess.Popen(command, env=headway.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            return asyncio.run(_first_token("127.0.0.1", headway.port)) - started
    finally:
        headway.close()


async def _first_token(host: str, port: int, deadline: float = 60.0) -> float:
    """The moment (perf_counter) of the first token of a stream, asked for as soon as somebody listens."""
    body = json.dumps({"model": "chat", "prompt": "Hi", "max_tokens": 1, "stream": True}).encode()
    lines = ["POST /v1/completions HTTP/1.1", "host: localhost", f"content-length: {len(body)}", "", ""]
    request = "\r\n".join(lines).encode() + body
    async with asyncio.timeout(deadline):
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            writer.write(request)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    await asyncio.sleep(0.005)  # nobody has told the gateway of the model yet
                    continue
                await reader.readuntil(b"data: ")
                return time.perf_counter()
            except (asyncio.IncompleteReadError, ConnectionError):
                continue
            finally:
                writer.close()


def _name(process: psutil.Process) -> str:
    return "the gateway" if "headway.gateway" in process.cmdline() else "the control process"


def _pss(process: psutil.Process) -> int:
    """Proportional set size in bytes: shared pages count in part."""
    return int(process.memory_full_info().pss)


def _row(what: str, figures: Sequence[float], unit: str) -> None:
    low, high = min(figures), max(figures)
    print(f"{what:<46} {statistics.median(figures):8.3f} {unit}   (min {low:.3f}, max {high:.3f}, n={len(figures)})")


if __name__ == "__main__":
    main()

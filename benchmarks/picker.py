"""What the endpoint picker costs behind a real Envoy: `python -m benchmarks.picker`.

Core 1: one worker of the picker. Core 0: Envoy, a null backend of 8 endpoints and the load generator (both C). First
Envoy alone, then with the picker asked in the ways that docs/picker.md names. The configuration is that of
examples/picker; a filter behind ext_proc gives bodies their length back, which the backend wants. CPU is that of the
picker's worker alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from benchmarks.gateway.backend import Backend
from benchmarks.gateway.native import build
from benchmarks.gateway.probe import free_ports
from benchmarks.gateway.process import Child
from headway.paths import cache_dir

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 4
BUFFER = {
    "name": "envoy.filters.http.buffer",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
        "max_request_bytes": 8 << 20,
    },
}
WAYS: dict[str, dict[str, str] | None] = {
    "Envoy alone": None,
    "FULL_DUPLEX_STREAMED": {},
    "the same, answers not shown": {"response_body_mode": "NONE", "response_trailer_mode": "SKIP"},
    "BUFFERED, answers STREAMED": {
        "request_body_mode": "BUFFERED",
        "response_body_mode": "STREAMED",
        "request_trailer_mode": "SKIP",
    },
}
LOADS: dict[str, dict[str, int]] = {
    "1 KiB": {"connections": 32, "size": 1024},
    "32 KiB": {"connections": 16, "size": 32 << 10},
    "400 KB": {"connections": 4, "size": 400_000},
    "100 events": {"connections": 32, "size": 1024, "events": 100},
    "200 req/s": {"connections": 16, "size": 1024, "rate": 200},
}


@dataclass(frozen=True, slots=True)
class Stage:
    folder: Path
    cache: Path
    ports: tuple[int, ...]
    picker: int  # its port

    def envoy(self, way: dict[str, str] | None) -> tuple[Child, int]:
        """Envoy on core 0, asking the picker in this way; None = not at all."""
        config = YAML(typ="safe").load(ROOT / "examples/picker/envoy.yaml")
        (port,), (listener,) = free_ports(1), config["static_resources"]["listeners"]
        engines, asked = config["static_resources"]["clusters"]
        listener["address"]["socket_address"]["port_value"] = port
        engines["load_assignment"]["endpoints"] = [{"lb_endpoints": [_at(each) for each in self.ports]}]
        asked["load_assignment"]["endpoints"] = [{"lb_endpoints": [_at(self.picker)]}]
        filters = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
        filters[0]["typed_config"]["processing_mode"] |= way or {}
        filters[0 if way is None else 1 : 1] = [BUFFER]
        path = self.folder / f"envoy-{port}.yaml"
        with path.open("w") as file:
            YAML(typ="safe").dump(config, file)
        program = str(Path(sys.executable).with_name("envoy"))
        argv = [program, "-c", str(path), "--concurrency", "1", "--use-dynamic-base-id", "-l", "error"]
        return Child(argv, 0, self.folder / "envoy.log"), port


def _at(port: int) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}


def measure(stage: Stage, port: int, worker: psutil.Process, load: dict[str, int]) -> str:
    argv = ["taskset", "-c", "0", str(build("load", stage.cache)), f"ports={port}", f"seconds={SECONDS}", "warm=1"]
    before, began = _cpu(worker), time.monotonic()
    done = subprocess.run(
        [*argv, *(f"{name}={value}" for name, value in load.items())], capture_output=True, text=True, check=True
    )
    busy = (_cpu(worker) - before) / (time.monotonic() - began)
    seen = json.loads(done.stdout.splitlines()[-1])
    if seen["errors"]:
        return f"{seen['errors']} errors: {seen['error']}"
    rate = seen["requests"] / SECONDS
    if "rate" in load:
        return f"p50 {seen['latency_p50']:.2f} ms, p99 {seen['latency_p99']:.2f} ms"
    if "events" in load:
        events = max(1.0, seen["events"] / SECONDS)
        return f"{events:,.0f} events/s, {1e6 * busy / events:,.0f} us each, TTFT p50 {seen['ttft_p50']:.1f} ms"
    return f"{rate:,.0f} req/s, {1e6 * busy / rate:,.0f} us"


def _cpu(worker: psutil.Process) -> float:
    times = worker.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    cache = cache_dir() / "bench"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend = Backend(cache, 0, folder / "backend.log")
        endpoints = [{"url": f"http://127.0.0.1:{port}"} for port in backend.ports]
        (folder / "table.json").write_text(json.dumps({"models": [{"name": "bench", "endpoints": endpoints}]}))
        (port,) = free_ports(1)
        argv = [sys.executable, "-m", "headway", "picker", "--table", str(folder / "table.json"), "--port", str(port)]
        argv += ["--metrics-port", "0", "--socket", str(folder / "p.sock")]
        picker = Child(argv, 1, folder / "picker.log")
        try:
            worker = _worker(picker, folder / "picker.log")
            _rows(Stage(folder, cache, backend.ports, port), worker)
            print(f"the worker's memory: {worker.memory_info().rss / 2**20:.0f} MiB")
        finally:
            picker.stop()
            backend.stop()


def _worker(picker: Child, log: Path) -> psutil.Process:
    end = time.monotonic() + 20
    while "listening on" not in log.read_text():
        assert time.monotonic() < end, picker.last_words()
        time.sleep(0.05)
    (worker,) = psutil.Process(picker.pid).children()
    return worker


def _rows(stage: Stage, worker: psutil.Process) -> None:
    print("|", " | ".join(["", *LOADS]), "|")
    print("|---" * (1 + len(LOADS)) + "|")
    for name, way in WAYS.items():
        envoy, port = stage.envoy(way)
        try:
            time.sleep(1.0)
            print(
                "|",
                " | ".join([name, *(measure(stage, port, worker, load) for load in LOADS.values())]),
                "|",
                flush=True,
            )
        finally:
            envoy.stop()


if __name__ == "__main__":
    main()

"""What a request costs the load generator of `headway bench`: one process of it against the C null backend.

    python -m benchmarks.sender [--seconds 5] [--cache DIR]

Requests a second and CPU per request of one sender, whole answers and streams, and what a stream's event costs. The
backend answers at once and thinks of nothing, so what limits the closed loop is the sender. The open loop's send lag is
measured at 200 requests a second with streams.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.gateway.native import build
from headway.bench.conduct import conduct
from headway.bench.plan import RunPlan, Target
from headway.bench.record import Record
from headway.spec.check import workload_from_json

CACHE = Path.home() / ".cache" / "headway-bench"


@contextmanager
def backend(cache: Path) -> Iterator[int]:
    """Its port."""
    with subprocess.Popen([build("backend", cache), "1"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[1])
        process.terminate()


def set_pace(port: int, micros: int) -> None:
    """Between two events of a stream."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("PUT", f"/pace/{micros}")
    connection.getresponse().read()
    connection.close()


def measure(port: int, seconds: float, arrivals: dict[str, Any], **fields: Any) -> dict[str, float]:
    load = {"name": "sender", "model": "bench", "prompt": 50, "arrivals": arrivals, "for": f"{seconds:g}s", **fields}
    plan = RunPlan(
        workload=workload_from_json(load), target=Target(url=f"http://127.0.0.1:{port}"), workers=1, scrape=""
    )
    records: list[Record] = []
    facts = asyncio.run(conduct(plan, records.append))
    failed = [record for record in records if record.error]
    assert not failed, failed[0]
    sender, collector = facts.generators
    lags = sorted(record.sent - record.due for record in records if record.sent is not None)
    delays = sorted(sender.loop_delays)
    return {
        "requests": len(records),
        "rate": len(records) / facts.ended,
        "events": sum(len(record.sizes) for record in records),
        "cpu": sender.cpu,
        "share": sender.cpu_share,
        "collector": collector.cpu,
        "lag50": lags[len(lags) // 2],
        "lag99": lags[int(len(lags) * 0.99)],
        "delay99": delays[int(len(delays) * 0.99)],
    }


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=5.0)
    words.add_argument("--cache", type=Path, default=CACHE)
    given = words.parse_args()
    shapes: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
        ("whole answers, 32 callers", {"concurrency": 32}, {"stream": False, "output": 40}, 0),
        ("streams of 16 events, 32 callers", {"concurrency": 32}, {"output": 16}, 1000),
        ("streams of 128 events, 128 callers", {"concurrency": 128}, {"output": 128}, 10_000),
        ("prompts of 7500 tokens, 200/s", {"rate": "200/s"}, {"prompt": 7500, "output": 16}, 10_000),
        ("streams of 64 events, 200/s", {"rate": "200/s"}, {"output": 64}, 10_000),
    ]
    print(f"{'':36} {'req/s':>8} {'events/s':>9} {'us/req':>8} {'us/event':>9} {'of a core':>9} "
          f"{'collector':>9} {'lag p50':>8} {'p99':>8} {'loop p99':>9}")  # fmt: skip
    with backend(given.cache) as port:
        for name, arrivals, fields, pace in shapes:
            set_pace(port, pace)
            found = measure(port, given.seconds, arrivals, **fields)
            per_event = 1e6 * found["cpu"] / found["events"] if found["events"] else 0.0
            print(
                f"{name:36} {found['rate']:8.0f} {found['events'] / given.seconds:9.0f} "
                f"{1e6 * found['cpu'] / found['requests']:8.0f} {per_event:9.1f} {found['share']:9.0%} "
                f"{1e6 * found['collector'] / found['requests']:6.0f} us {1e3 * found['lag50']:5.2f} ms "
                f"{1e3 * found['lag99']:5.2f} ms {1e3 * found['delay99']:6.2f} ms"
            )


if __name__ == "__main__":
    main()

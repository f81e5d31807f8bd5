"""Who routes: headway with each of its policies, and the peers as their users start them.

Each is a fresh process for each run, in front of the same kind of engines. `cache_aware` with the defaults of the
command line is what the peers recommend; only their log level is changed. None of the peers knows adapters: they
pass the name on to the engine they chose without looking at it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from benchmarks.routing.engines import MODEL, ROOT
from benchmarks.routing.peers import SGLANG_ROUTER, VLLM_ROUTER, Peer
from benchmarks.routing.processes import Child, answers, free_ports, until
from headway.gateway.table import Endpoint, ModelRoute, RoutingTable, write_table

__all__ = ["SUBJECTS", "Subject", "started"]

Policy = Literal["predicted_latency", "round_robin", "least_request", "power_of_two", "prefix_affinity"]


@dataclass(frozen=True, slots=True)
class Subject:
    """`command(engines, adapters, port, folder)` is the command line; `ready` is the path that answers 200 when all
    engines are known, with `holds` in its body."""

    name: str
    command: Callable[[Sequence[str], Sequence[str], int, Path], list[str]]
    ready: str
    holds: Callable[[int], bytes]
    peer: Peer | None = None


def started(subject: Subject, engines: Sequence[str], adapters: Sequence[str], folder: Path) -> tuple[Child, str]:
    """The process and its URL, ready to route. The caller stops it."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    argv = subject.command(engines, adapters, port, folder)
    child = Child(subject.name, argv, folder / "router.log", {"PYTHONPATH": str(ROOT)})
    try:
        holds = subject.holds(len(engines))
        until(child, lambda: answers(url + subject.ready, holds), f"{subject.ready} says that all engines are there")
    except BaseException:
        child.stop()
        raise
    return child, url


def headway(policy: Policy) -> Subject:
    def command(engines: Sequence[str], adapters: Sequence[str], port: int, folder: Path) -> list[str]:
        write_table(folder / "table.json", table(policy, engines, adapters))
        module = [sys.executable, "-m", "headway.gateway", "--table", str(folder / "table.json")]
        return [*module, "--port", str(port), "--socket", str(folder / "gateway.sock")]

    return Subject(policy, command, "/v1/models", lambda count: MODEL.encode())


def table(policy: Policy, engines: Sequence[str], adapters: Sequence[str]) -> RoutingTable:
    """One model and its adapters on all engines."""
    endpoints = tuple(Endpoint(f"engine-{n}.1", f"engine-{n}", "r1", url) for n, url in enumerate(engines))
    return RoutingTable(
        1,
        tuple(
            ModelRoute(name, "chat", endpoints, policy=policy, adapter="" if name == MODEL else name)
            for name in (MODEL, *adapters)
        ),
    )


def vllm_router(engines: Sequence[str], adapters: Sequence[str], port: int, folder: Path) -> list[str]:
    return [str(VLLM_ROUTER.command), *_as_users_do(engines, port)]


def sglang_router(engines: Sequence[str], adapters: Sequence[str], port: int, folder: Path) -> list[str]:
    return [str(SGLANG_ROUTER.command), "launch", *_as_users_do(engines, port)]


def _as_users_do(engines: Sequence[str], port: int) -> list[str]:
    (metrics,) = free_ports(1)
    words = ["--host", "127.0.0.1", "--port", str(port), "--policy", "cache_aware", "--worker-urls", *engines]
    return [*words, "--prometheus-port", str(metrics), "--log-level", "error"]


def _healthy(count: int) -> bytes:
    return b'"healthy_workers":%d' % count


SUBJECTS: Mapping[str, Subject] = {
    each.name: each
    for each in (
        *map(headway, get_args(Policy)),
        Subject("vllm-router", vllm_router, "/readiness", _healthy, VLLM_ROUTER),
        Subject("sglang-router", sglang_router, "/readiness", _healthy, SGLANG_ROUTER),
    )
}

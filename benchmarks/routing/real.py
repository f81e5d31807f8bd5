"""Two real engines: llama.cpp servers of one thread each with SmolLM2, and a chat small enough for them.

Reported only: engines, router and load generator share the cores here, and two small engines say little of eight
large ones. What it shows is that the figures come about with an engine that nobody wrote for this benchmark.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.routing.conversations import Talk, conversations
from benchmarks.routing.draws import heavy
from benchmarks.routing.engines import MODEL
from benchmarks.routing.processes import BenchError, Child, answers, free_ports, until
from benchmarks.routing.schedule import Message, Schedule, Window
from benchmarks.routing.workloads import Draw, Workload
from headway.engines import builtin, llama_build
from headway.errors import HeadwayError

__all__ = ["REAL", "Llamas", "llamas"]

REPLICAS = 2
SLOTS = 4
CONTEXT = 2048
SYSTEM = Message("system", 0x5E, 120)
TALK = Talk(
    turns=5,
    opening=lambda draw: (SYSTEM,),
    question=lambda draw: heavy(draw, 60, 0.5, 15, 200),
    answer=lambda draw: draw.randint(12, 30),
    think=3.0,
    most=1200,
)


def small_chat(draw: Draw, rate: float, window: Window) -> Schedule:
    return conversations(draw, rate, window, TALK)


REAL = Workload(
    "real-chat", "5 turns on two llama.cpp servers", small_chat, 0.15, 1.0, Window(15, 75, 20), simulated=False
)


class Llamas:
    def __init__(self, folder: Path) -> None:
        self._server, self._model = _server(), _model()
        self._folder = folder
        self._children: list[Child] = []
        self._stack = ExitStack()
        self.urls: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for number, port in enumerate(free_ports(REPLICAS)):
                child = Child(f"llama-server {number}", self._command(port), self._folder / f"engine-{number}.log")
                self._children.append(stack.enter_context(child))
                self.urls += (f"http://127.0.0.1:{port}",)
            for child, url in zip(self._children, self.urls, strict=True):
                until(child, lambda url=url: answers(f"{url}/health"), "/health")  # type: ignore[misc]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def cpu_seconds(self) -> float:
        return sum(child.cpu_seconds() for child in self._children)

    def late_seconds(self) -> float:
        return 0.0  # a real engine's clock is the wall's

    def _command(self, port: int) -> list[str]:
        words = ["--host", "127.0.0.1", "--port", str(port), "--model", self._model, "--alias", MODEL]
        return [self._server, *words, "--threads", "1", "--threads-batch", "1", "--parallel", str(SLOTS),
                "--ctx-size", str(SLOTS * CONTEXT)]  # fmt: skip


def llamas(workload: Workload, folder: Path) -> Llamas:
    return Llamas(folder)


def _server() -> str:
    found = os.environ.get("HEADWAY_TEST_LLAMA_SERVER") or llama_build.find()
    if not found:
        raise BenchError("--real: no llama-server; run python -m headway.engines.llama_build")
    return str(found)


def _model() -> str:
    if given := os.environ.get("HEADWAY_TEST_SMOLLM2"):
        return given
    known = builtin.find("smollm2-135m-instruct")
    try:
        return str(builtin.prepare(known, lambda _: None) / known.weights)
    except HeadwayError as error:
        raise BenchError(f"--real: {error}") from error

"""The Protocol that every engine stands behind, and the values that cross it.

The life of a Replica, as a Site drives it:

    pinned   = engine.pin(model)                      once, when the user's file is applied: exact content
    settled  = engine.settle(model, pinned)           what the user left open; both make the Revision
    prepared = engine.prepare(revision, report)       weights and program on this machine; slow the first time
    need     = engine.need(revision, prepared)        what placement must find
    launch   = engine.launch(revision, prepared, slot)   argv and environment; the Site starts it
    GET ready_path -> ready; GET metrics_path -> engines.signals.read_signals(text)

On a cluster the pods bring program and weights themselves, and nobody here looks anything up:

    pinned, settled = engine.elsewhere(model)         both make the Revision
    container = engine.container(revision, gpus)      image, arguments, what it must write
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from headway.engines.container import Container, PodShape
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision, Task

__all__ = [
    "Capabilities",
    "Engine",
    "External",
    "Launch",
    "Need",
    "Prepared",
    "Progress",
    "Report",
    "Settled",
    "Slot",
]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far long work is. `done` and `total` are in `unit`; None = unknown; eta is in seconds."""

    stage: Literal["resolve", "download", "build", "convert", "verify", "load"]
    label: str
    done: float = 0
    total: float | None = None
    unit: Literal["bytes", "steps", ""] = ""
    eta: float | None = None


Report = Callable[[Progress], None]
"""At least every half second during long work. It may raise `Cancelled`: the work stops and tidies up."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    tasks: tuple[Task, ...]
    schemes: tuple[str, ...]  # sources it can serve: builtin, file, hf, openai
    gpu: bool = False  # can use a GPU
    external: bool = False  # nothing is launched here; the address is somebody else's


@dataclass(frozen=True, slots=True)
class Settled:
    """What the user left open and the engine settled. It is part of the Revision: a default that changes is a
    change."""

    task: Task
    args: Mapping[str, Any]  # the user's laid over the engine's
    why: Mapping[str, str]  # field -> the reason for its value, for `explain`; only of what was derived


@dataclass(frozen=True, slots=True)
class Prepared:
    """What lies on this machine, ready to launch. Paths are absolute; None where the engine needs none."""

    program: Path | None = None
    weights: Path | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """What one Replica takes: resident memory, and the longest start that is still healthy (seconds)."""

    memory_bytes: int
    start_seconds: float = 120.0
    why: str = ""  # how memory_bytes came about, for `explain`


@dataclass(frozen=True, slots=True)
class Slot:
    """The place a Site found for one Replica."""

    name: str
    host: str
    port: int
    threads: int
    gpus: tuple[str, ...] = ()  # device or MIG UUIDs, as CUDA_VISIBLE_DEVICES takes them


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to run, never by a shell. `env` is added to the Site's own, which resolves `secret:`."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = ""  # where it is not the engine's own
    cwd: Path | None = None  # None = the state directory


@dataclass(frozen=True, slots=True)
class External:
    """An endpoint that somebody else runs: base URL without `/v1`, its name for the model, the key's name."""

    base_url: str
    upstream_model: str
    key: str = ""  # `secret:NAME/KEY`


class Engine(Protocol):
    """One inference engine. Methods that may block (pin, prepare) are called in a thread."""

    name: str
    capabilities: Capabilities
    ready_path: str
    metrics_path: str | None

    def pin(self, model: Model) -> Pinned:
        """Fix the source to exact content. Raises SourceError, UnreachableError, SecretError."""

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        """Derive the task and the defaults of `args`. Raises SpecError for what cannot be as the user wrote
        it."""

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        """Bring program and weights here, verified. Idempotent; two processes may do it at once."""

    def need(self, revision: Revision, prepared: Prepared) -> Need: ...

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch: ...

    def external(self, revision: Revision) -> External | None:
        """Where requests go when nothing is launched here; None for an engine that runs on a Site."""

    def elsewhere(self, model: Model) -> tuple[Pinned, Settled]:
        """As `pin` and `settle`, of what is written alone: no network, no files. Raises SourceError, SpecError."""

    def container(self, revision: Revision, shape: PodShape) -> Container | None:
        """How it runs on a cluster; None for an engine that runs nowhere (`external`)."""

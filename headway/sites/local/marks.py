"""The identity of an engine process, carried in its own environment.

The process table is the only record of what runs: a mark is there from the moment that the engine is, so a control
process killed between starting an engine and writing that down orphans nothing. All that adoption needs is in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

__all__ = ["PREFIX", "Marks"]

PREFIX = "HEADWAY_"


@dataclass(frozen=True, slots=True)
class Marks:
    """Each field is the variable HEADWAY_<FIELD>. `state` is the state directory: two of them never share a Replica."""

    state: str
    replica: str
    model: str
    revision: str
    incarnation: int
    restarts: int
    port: int
    threads: int
    memory: int
    gpus: tuple[str, ...]
    gpu_fraction: float
    ready_path: str
    start_seconds: float

    def to_env(self) -> dict[str, str]:
        return {PREFIX + each.name.upper(): _text(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Marks | None:
        """None for a process that is no engine of ours."""
        try:
            text = {each.name: environ[PREFIX + each.name.upper()] for each in fields(cls)}
            return cls(
                state=text["state"],
                replica=text["replica"],
                model=text["model"],
                revision=text["revision"],
                incarnation=int(text["incarnation"]),
                restarts=int(text["restarts"]),
                port=int(text["port"]),
                threads=int(text["threads"]),
                memory=int(text["memory"]),
                gpus=tuple(filter(None, text["gpus"].split(","))),
                gpu_fraction=float(text["gpu_fraction"]),
                ready_path=text["ready_path"],
                start_seconds=float(text["start_seconds"]),
            )
        except (KeyError, ValueError):
            return None

    def same_incarnation(self, other: Marks) -> bool:
        mine = (self.state, self.replica, self.incarnation, self.port)
        return mine == (other.state, other.replica, other.incarnation, other.port)


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)

"""From a place to a running engine: port, command line, secrets, marks, log, process."""

from __future__ import annotations

from dataclasses import dataclass

from headway.engines.base import Engine, Need, Prepared, Slot
from headway.errors import EngineError
from headway.paths import StateDir
from headway.policy.placement import Placement
from headway.sites.base import Replica
from headway.sites.local import logs
from headway.sites.local.health import HOST
from headway.sites.local.marks import Marks
from headway.sites.local.process import Process, free_port, spawn
from headway.spec.revision import Revision
from headway.store.secrets import is_secret, resolve_secret

__all__ = ["Found", "launch"]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found out on the way to a start."""

    prepared: Prepared
    need: Need
    placement: Placement


def launch(
    engine: Engine, revision: Revision, place: Found, replica: Replica, state: StateDir, *, log_limit: int
) -> Process:
    """Start the next incarnation of `replica`. Raises EngineError when it cannot be started, SecretError."""
    placement = place.placement
    port = free_port(HOST)
    wanted = engine.launch(revision, place.prepared, Slot(replica.name, HOST, port, placement.threads, placement.gpus))
    marks = Marks(
        state=str(state.root.resolve()),
        replica=replica.name,
        model=replica.model,
        revision=revision.id,
        incarnation=replica.incarnation + 1,
        restarts=replica.restarts,
        port=port,
        threads=placement.threads,
        memory=placement.memory_bytes,
        gpus=placement.gpus,
        gpu_fraction=placement.fraction,
        ready_path=wanted.ready_path or engine.ready_path,
        start_seconds=place.need.start_seconds,
    )
    env = {name: resolve_secret(value, state) if is_secret(value) else value for name, value in wanted.env.items()}
    log = state.logs / f"{replica.name}.log"
    try:
        logs.begin(log, replica.name, marks.incarnation, wanted.argv, log_limit)
        return spawn(wanted.argv, env, marks, log, wanted.cwd or state.root)
    except OSError as error:
        raise EngineError(f"{revision.model}: cannot start {wanted.argv[0]}: {error}") from error

"""What runs an App on this machine: its program, as a child like any engine, with the gateway's address and its key.

It stands behind the Protocol of engines, so that an App is prepared, placed, probed, started again, adopted and ended
as a Replica is; no Model can name it. All of the App is in the Revision, so nothing is derived when it starts.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from headway.engines.base import Capabilities, External, Launch, Need, Prepared, Report, Settled, Slot
from headway.errors import EngineError
from headway.spec.app import PRESETS, App
from headway.spec.model import Model
from headway.spec.revision import Pinned, Revision, Task

__all__ = ["NAME", "AppEngine", "revision_of"]

NAME = "app"
START_SECONDS = 120.0
"""JupyterLab with many extensions takes half a minute on a slow disk."""
CORES_ONLY = "cpu"


def revision_of(app: App, *, key: str, token: str) -> Revision:
    """`app` is as it runs on this Site. `key` and `token`: `secret:NAME/KEY` each, empty for none."""
    whole = app.whole
    env = {"OPENAI_API_KEY": key or "none", **whole.env}
    if whole.preset.token and token:
        env[whole.preset.token] = token
    return Revision(
        model=app.name,
        engine=NAME,
        source=Pinned(uri=app.preset or Path((whole.command or (app.name,))[0]).name),
        task=cast("Task", NAME),  # none: it answers no requests of the gateway
        gpu=app.gpu or CORES_ONLY,
        cpu=app.cpu,
        memory_bytes=whole.memory,
        args={
            "command": list(whole.command),
            "folder": app.folder or "",
            "ready": whole.ready,
            "preset": app.preset or "",
        },
        env=env,
    )


class AppEngine:
    """`address`: the gateway's, with /v1; `storage`: the folder of Apps' storage."""

    name = NAME
    capabilities = Capabilities(tasks=(), schemes=(), gpu=True)
    ready_path = "/"
    metrics_path: str | None = None

    def __init__(self, address: str, storage: Path) -> None:
        self._address, self._storage = address, storage

    def pin(self, model: Model) -> Pinned:
        raise EngineError(f"{model.name}: an App is no Model")

    def settle(self, model: Model, pinned: Pinned) -> Settled:
        raise EngineError(f"{model.name}: an App is no Model")

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        """Raises EngineError where the program is not on this machine."""
        words = revision.args["command"]
        if not words:
            hint = "write command: for this machine, under profiles: local if a cluster needs none"
            raise EngineError(f"{revision.model} says only an image, which runs on a cluster", hint=hint)
        if found := _find(words[0], revision.args["folder"]):
            return Prepared(program=found)
        preset = PRESETS.get(revision.args["preset"])
        hint = f"install it: {preset.install}" if preset and preset.install else "name a program that is on PATH"
        raise EngineError(f"{revision.model}: there is no {words[0]} on this machine", hint=hint)

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        return Need(revision.memory_bytes or 0, START_SECONDS, why="memory of the App, as written or by its preset")

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        storage = self._storage / revision.model
        storage.mkdir(mode=0o700, parents=True, exist_ok=True)
        put_in = _places(slot, storage)
        words = [str(prepared.program), *(put_in(each) for each in revision.args["command"][1:])]
        if (preset := PRESETS.get(revision.args["preset"])) and os.getuid() == 0:
            words += preset.as_root
        own = {"HOST": slot.host, "PORT": str(slot.port), "STORAGE": str(storage), "OPENAI_BASE_URL": self._address}
        env = own | {name: put_in(value) for name, value in revision.env.items()}
        folder = revision.args["folder"]
        cwd = Path(folder) if folder else storage
        if not cwd.is_dir():
            raise EngineError(f"{revision.model}: there is no folder {cwd}", hint="make it, or write another folder:")
        return Launch(tuple(words), env, ready_path=revision.args["ready"], cwd=cwd)

    def external(self, revision: Revision) -> External | None:
        return None

    def elsewhere(self, model: Model) -> tuple[Pinned, Settled]:
        raise EngineError(f"{model.name}: an App is no Model")

    def container(self, revision: Revision, shape: Any) -> None:
        return None  # objects.app derives what runs it on a cluster


def _places(slot: Slot, storage: Path) -> Callable[[str], str]:
    known = {"{host}": slot.host, "{port}": str(slot.port), "{storage}": str(storage)}

    def put_in(text: str) -> str:
        for place, value in known.items():
            text = text.replace(place, value)
        return text

    return put_in


def _find(program: str, folder: str) -> Path | None:
    """Beside this Python first: what is installed with Headway is what its user means by `python` and `jupyter`."""
    if "/" in program:
        path = Path(folder or ".") / program
        return path.absolute() if os.access(path, os.X_OK) else None
    beside = str(Path(sys.executable).parent)
    found = shutil.which(program, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    return Path(found) if found else None

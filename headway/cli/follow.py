"""Following Models until they are ready: which of them are, which will never be, and which are ours no more."""

from __future__ import annotations

import time
from typing import Any, Protocol

from headway.cli.client import ControlClient
from headway.errors import Cancelled, EngineError, HeadwayError, ResourceError, UnreachableError

__all__ = ["Shown", "failure", "follow", "is_model", "is_ready"]

RESOURCES = ("NotEnoughMemory", "NoSuchGpu", "NoFreeGpu")
ROOM = ("NotEnoughMemory", "NoFreeGpu")
"""Passes when an older Replica of the same Model makes room."""
HOPELESS = (*RESOURCES, "PrepareFailed", "StartTimeout", "CrashLoop")
"""Reasons that waiting does not mend."""
OURS_WITHIN = 10.0
"""Seconds in which a Model must be seen at the Revision that was applied; the next pass does it, in about one."""


class Shown(Protocol):
    """Where a person looks on: bars on a terminal, lines elsewhere."""

    def note(self, text: str) -> None: ...

    def show(self, model: dict[str, Any]) -> None: ...

    def ready(self, model: dict[str, Any], change: str) -> None: ...

    def removed(self, name: str) -> None: ...


def follow(client: ControlClient, changes: list[dict[str, str]], timeout: float, shown: Shown) -> dict[str, Any]:
    """The Snapshot in which every Model of `changes` is ready. `timeout` in seconds, 0 = none.

    Raises ResourceError or EngineError for one that will not become ready, Cancelled for one that somebody else
    changed or took down meanwhile.
    """
    waiting = {each["name"]: each for each in changes if each["change"] != "removed" and is_model(each)}
    for name in [each["name"] for each in changes if each["change"] == "removed"]:
        shown.removed(name)
    began = time.monotonic()
    ours = dict.fromkeys(waiting, began)
    snapshot: dict[str, Any]
    for snapshot in client.events():
        models = {each["name"]: each for each in (*snapshot["models"], *snapshot.get("apps", ()))}
        now = time.monotonic()
        for name, change in list(waiting.items()):
            model = models.get(name)
            if model is None or model["revision"] != change["revision"]:
                if now - ours[name] > OURS_WITHIN:
                    raise Cancelled(f"{name}: changed or taken down by another command", hint="headway ls")
                continue
            ours[name] = now
            if error := failure(model):
                raise error
            if is_ready(model):
                shown.ready(model, waiting.pop(name)["change"])
            else:
                shown.show(model)
        if not waiting:
            return snapshot
        if timeout and now - began > timeout:
            raise _late(next(iter(waiting)), models, timeout)
    raise UnreachableError("the control process ended meanwhile", hint=f"see {client.state.logs / 'control.log'}")


def is_model(change: dict[str, str]) -> bool:
    """Or an App, which is waited for in the same way; no Tenant, for which there is nothing to wait."""
    return change.get("kind", "Model") in ("Model", "App")


def is_ready(model: dict[str, Any]) -> bool:
    """By Replicas of the wanted Revisions alone: the older ones have left."""
    return (
        model["state"] == "ready"
        and len(model["replicas"]) == model["replicas_wanted"]
        and all(each["revision"] in _wanted(model) for each in model["replicas"])
    )


def _wanted(model: dict[str, Any]) -> set[str]:
    """Revisions: of each variant, or the one."""
    return {each["revision"] for each in model.get("variants", ())} or {model["revision"]}


def failure(model: dict[str, Any]) -> HeadwayError | None:
    """The error of a Model that will not become ready by waiting; None while it may."""
    if model["state"] == "ready" or (model["state"] != "failed" and model["reason"] not in HOPELESS):
        return None
    older = any(each["revision"] not in _wanted(model) for each in model["replicas"])
    if older and model["reason"] in ROOM:
        return None
    kind = ResourceError if model["reason"] in RESOURCES else EngineError
    logs = [each["log"] for each in model["replicas"] if each["state"] == "failed" and each["log"]]
    # `headway logs` needs the Model to be there; the file stays when what failed is taken back.
    hints = [model["next_action"], *(f"its log is {path}" for path in logs[:1])]
    return kind(f"{model['name']}: {model['message']}", hint="; ".join(filter(None, hints)))


def _late(name: str, models: dict[str, Any], timeout: float) -> HeadwayError:
    message = models[name]["message"] if name in models else "not there yet"
    return EngineError(f"{name}: not ready within {timeout:g} s: {message}", hint=f"see headway logs {name}")

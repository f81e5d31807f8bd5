"""What `up` shows while models become ready: bars where something is counted, a line where it is not."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from headway.cli.client import ControlClient
from headway.cli.words import duration, plural, size
from headway.errors import EngineError, ResourceError, UnreachableError

__all__ = ["follow", "stay"]

HOPELESS = {"NotEnoughMemory", "NoSuchGpu", "NoFreeGpu", "PrepareFailed", "StartTimeout", "CrashLoop"}
"""Reasons that waiting does not mend while nothing else of the same Model runs."""
RESOURCES = {"NotEnoughMemory", "NoSuchGpu", "NoFreeGpu"}


def follow(client: ControlClient, changes: list[dict[str, str]], timeout: float) -> None:
    """Until every Model of `changes` is ready; says so in one line each. `timeout` in seconds, 0 = none."""
    for each in changes:
        if each["change"] == "removed":
            print(f"{each['name']}  removed")
    waiting = {each["name"]: each for each in changes if each["change"] != "removed"}
    deadline = time.monotonic() + timeout if timeout else float("inf")
    with _Shown() as shown:
        for snapshot in client.events():
            models = {each["name"]: each for each in snapshot["models"]}
            for name in list(waiting):
                model = models.get(name)
                if model is None:
                    continue
                _raise_if_hopeless(model)
                if _settled(model, waiting[name]["revision"]):
                    shown.ready(model, waiting.pop(name)["change"])
                else:
                    shown.show(model)
            if not waiting:
                break
            if time.monotonic() > deadline:
                late = models.get(next(iter(waiting)), {})
                raise EngineError(f"{next(iter(waiting))}: not ready within {timeout:g} s: {late.get('message', '')}")
        else:
            raise UnreachableError(
                "the control process ended meanwhile", hint=f"see {client.state.logs / 'control.log'}"
            )
    _say_what_next(snapshot, [each["name"] for each in changes if each["change"] != "removed"])


def stay(client: ControlClient) -> None:
    """One live line until the control process ends or Ctrl-C."""
    console = Console(stderr=True)
    with console.status("serving; Ctrl-C stops") as status:
        for snapshot in client.events():
            gateway = snapshot["gateway"]
            ready = sum(each["state"] == "ready" for each in snapshot["models"])
            status.update(
                f"{ready} of {plural(len(snapshot['models']), 'model')} ready, {gateway['running']} running,"
                f" {gateway['waiting']} waiting, {gateway['tokens_per_second']:.0f} tok/s; Ctrl-C stops"
            )


def _settled(model: dict[str, Any], revision: str) -> bool:
    """Ready, by Replicas of the wanted Revision alone: the old ones have left."""
    return (
        model["state"] == "ready"
        and model["revision"] == revision
        and len(model["replicas"]) == model["replicas_wanted"]
        and all(each["revision"] == revision for each in model["replicas"])
    )


def _raise_if_hopeless(model: dict[str, Any]) -> None:
    if model["state"] == "ready" or model["replicas_ready"] or model["reason"] not in HOPELESS:
        return
    if any(each["revision"] != model["revision"] for each in model["replicas"]):
        return  # an older Replica is still making room
    kind = ResourceError if model["reason"] in RESOURCES else EngineError
    raise kind(f"{model['name']}: {model['message']}", hint=model["next_action"])


def _say_what_next(snapshot: dict[str, Any], names: list[str]) -> None:
    page = snapshot["control"]["page"]
    print(f"page {page}")
    models = {each["name"]: each for each in snapshot["models"]}
    first = next((models[name] for name in names if models[name]["task"] == "chat"), None)
    if first:
        print(f'Try: headway chat {first["name"]} "What is the capital of France?"')
    elif names:
        print(f"Try: headway status {names[0]}")


class _Shown:
    """Bars on a terminal; elsewhere one plain line whenever a Model's stage changes."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = self._console.is_terminal
        columns = (
            SpinnerColumn(),
            TextColumn("{task.fields[name]}"),
            BarColumn(bar_width=30),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}

    def __enter__(self) -> _Shown:
        if self._live:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, model: dict[str, Any]) -> None:
        progress = model["progress"] or {}
        if not self._live:
            stage = progress.get("label") or model["message"]
            if stage and self._said.get(model["name"]) != stage:
                self._said[model["name"]] = stage
                print(f"{model['name']}  {model['state']}: {_told(model)}", file=sys.stderr)
            return
        task = self._tasks.get(model["name"])
        if task is None:
            task = self._tasks[model["name"]] = self._progress.add_task("", name=model["name"], total=None)
        done, total = progress.get("done", 0), progress.get("total")
        self._progress.update(task, total=total, completed=done, description=_told(model))

    def ready(self, model: dict[str, Any], change: str) -> None:
        if (task := self._tasks.pop(model["name"], None)) is not None:
            self._progress.remove_task(task)
        same = "  (unchanged)" if change == "unchanged" else ""
        line = f"{model['name']}  ready  {plural(model['replicas_ready'], 'replica')}  {model['address']}{same}"
        if self._live:
            self._progress.stop()
            print(line, flush=True)
            self._progress.start()
        else:
            print(line, flush=True)


def _told(model: dict[str, Any]) -> str:
    progress = model["progress"]
    if not progress:
        return str(model["message"])
    parts = [str(progress["label"])]
    if progress["total"] and progress["unit"] == "bytes":
        parts.append(f"{size(progress['done'])} of {size(progress['total'])}")
    elif progress["total"]:
        parts.append(f"{progress['done']:.0f} of {progress['total']:.0f}")
    if progress["eta"] is not None:
        parts.append(f"about {duration(progress['eta'])} left")
    return ", ".join(parts)

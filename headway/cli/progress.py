"""What `up` shows: bars on a terminal, plain lines elsewhere; then where it answers, and one line while it serves.

Ready lines go to stdout, everything else to stderr.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from headway.cli.client import ControlClient
from headway.cli.follow import Shown, is_model
from headway.cli.words import duration, plural, size
from headway.errors import UnreachableError

__all__ = ["Lines", "ready_line", "say_what_next", "stay", "told", "view"]

PROMPTS = {"chat": "What is the capital of France?", "completion": "The capital of France is"}

AGAIN_AFTER = 15.0
"""Seconds between two lines about the same long work, so that a log shows that it goes on."""
VERBS = {
    "resolve": "looking up",
    "download": "downloading",
    "build": "building",
    "convert": "converting",
    "verify": "checking",
    "load": "loading",
}


def view() -> AbstractContextManager[Shown]:
    if on_terminal():
        from headway.cli.bars import Bars  # noqa: PLC0415

        return Bars()
    return nullcontext(Lines())


def on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Lines:
    """For logs and pipes: a line when a Model's stage changes, and now and then while one lasts."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[str, float]] = {}

    def note(self, text: str) -> None:
        pass

    def show(self, model: dict[str, Any]) -> None:
        name, now = model["name"], time.monotonic()
        stage = (model["progress"] or {}).get("label") or model["message"]
        before, at = self._said.get(name, ("", 0.0))
        if stage and (stage != before or (model["progress"] and now - at > AGAIN_AFTER)):
            self._said[name] = (stage, now)
            print(f"{name}  {model['state']}: {told(model)}", file=sys.stderr, flush=True)

    def ready(self, model: dict[str, Any], change: str) -> None:
        print(ready_line(model, change), flush=True)

    def removed(self, name: str) -> None:
        print(f"{name}  removed", flush=True)


def ready_line(model: dict[str, Any], change: str) -> str:
    same = "  (unchanged)" if change == "unchanged" else ""
    return f"{model['name']}  ready  {plural(model['replicas_ready'], 'replica')}  {model['address']}{same}"


def told(model: dict[str, Any]) -> str:
    """What is being done, how far it is, how long it still takes, to what; what matters most stands first."""
    progress = model["progress"]
    if not progress:
        return str(model["message"])
    work = VERBS.get(progress["stage"], progress["stage"])
    label = "" if progress["label"] == model["name"] else progress["label"]
    left = "" if progress["eta"] is None else f"about {duration(progress['eta'])} left"
    counted = ", ".join(filter(None, [_counted(progress), left]))
    if not (counted and label):
        return f"{work} {counted or label}".rstrip()
    return f"{work} {counted}: {label}"


def _counted(progress: dict[str, Any]) -> str:
    done, total = progress["done"], progress["total"]
    if progress["unit"] == "bytes":
        return f"{size(done)} of {size(total)}" if total else size(done) if done else ""
    return f"{done:.0f} of {total:.0f}" if total else ""


def say_what_next(snapshot: dict[str, Any], changes: list[dict[str, str]]) -> None:
    tenants = [each for each in changes if not is_model(each) and each["change"] != "removed"]
    for each in tenants:
        print(f"{each['name']}  {each['kind'].lower()}  {each['change']}")
    print(f"page {snapshot['control']['page']}")
    models = {each["name"]: each for each in (*snapshot["models"], *snapshot.get("apps", ()))}
    named = [models[each["name"]] for each in changes if each["change"] != "removed" and is_model(each)]
    talking = next((each for task in PROMPTS for each in named if each.get("task") == task), None)
    if talking:
        print(f'Try: headway chat {talking["name"]} "{PROMPTS[talking["task"]]}"')
    elif models_alone := [each for each in named if "task" in each]:
        print(f"Try: headway status {models_alone[0]['name']}")
    for each in (one for one in named if "task" not in one):
        print(f"Open it: headway open {each['name']}")
    without_keys = {each["name"] for each in snapshot.get("tenants", ()) if not each["keys"]}
    for each in tenants:
        if each["name"] in without_keys:
            print(f"Give it a key: headway key new {each['name']}")
    sys.stdout.flush()


def stay(client: ControlClient) -> None:
    """One live line until `headway down`, which is said, or Ctrl-C, which is the caller's.

    Raises UnreachableError when the control process was killed: what it kept goes on serving.
    """
    try:
        with _status_line() as update:
            for snapshot in client.events():
                update(_summary(snapshot))
    except UnreachableError:
        if client.state.control_socket.exists():
            raise
    if client.state.control_socket.exists():
        raise UnreachableError(
            "the control process was killed; gateway and engines go on serving",
            hint="take them over with headway up, or stop them with headway down",
        )
    print("stopped by another command", file=sys.stderr)


def _status_line() -> AbstractContextManager[Callable[[str], None]]:
    if on_terminal():
        from headway.cli.bars import status_line  # noqa: PLC0415

        return status_line()
    print("serving; Ctrl-C or SIGTERM stops", file=sys.stderr, flush=True)
    return nullcontext(lambda _: None)


def _summary(snapshot: dict[str, Any]) -> str:
    gateway, models = snapshot["gateway"], snapshot["models"]
    ready = sum(each["state"] == "ready" for each in models)
    unwell = [f"{each['name']} {each['state']}" for each in models if each["state"] != "ready"]
    parts = [
        f"{ready} of {plural(len(models), 'model')} ready",
        f"{plural(gateway['running'], 'request')} running",
        *([f"{gateway['waiting']} waiting"] if gateway["waiting"] else []),
        f"{gateway['tokens_per_second']:.0f} tok/s",
        *unwell,
    ]
    if gateway["state"] != "ready":
        parts.append(f"gateway {gateway['state']}")
    return ", ".join(parts)

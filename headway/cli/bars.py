"""Live progress on a terminal (rich): a bar only where something is counted, a clock where it is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from headway.cli.progress import ready_line, told
from headway.cli.words import duration

__all__ = ["Bars", "status_line"]

BAR_WIDTH = 24
"""Columns at the most."""
SHOW_CLOCK_AFTER = 2.0
"""Seconds; what is done sooner needs no clock."""
COLOURS = {"preparing": "cyan", "starting": "cyan", "pending": "yellow", "degraded": "yellow", "failed": "red"}


class Bars:
    """A row for each Model that is not ready yet. A ready one becomes a line on stdout above the rows."""

    def __init__(self) -> None:
        self._spinner = Spinner("dots")
        self._note = ""
        self._models: dict[str, dict[str, Any]] = {}
        self._since: dict[str, tuple[str, float]] = {}
        self._console = Console(stderr=True)
        self._live = self._fresh()

    def __enter__(self) -> Bars:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def _fresh(self) -> Live:
        return Live(
            console=self._console,
            get_renderable=self._rows,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def note(self, text: str) -> None:
        self._note = text

    def show(self, model: dict[str, Any]) -> None:
        name = model["name"]
        stage = f"{model['state']} {(model['progress'] or {}).get('label') or model['message']}"
        if self._since.get(name, ("", 0.0))[0] != stage:
            self._since[name] = (stage, time.monotonic())
        self._models[name] = model

    def ready(self, model: dict[str, Any], change: str) -> None:
        self._models.pop(model["name"], None)
        self._above(ready_line(model, change))

    def removed(self, name: str) -> None:
        self._above(f"{name}  removed")

    def _above(self, line: str) -> None:
        """stdout may be a file while stderr is the terminal, so that the line cannot go through the live view.

        A Live that starts again would believe its old rows to be right above, and wipe the line: a fresh one does not.
        """
        self._live.stop()
        print(line, flush=True)
        self._live = self._fresh()
        self._live.start()

    def _rows(self) -> RenderableType:
        models = list(self._models.values())
        if not models:
            return Spinner("dots", Text(self._note, "dim")) if self._note else Text("")
        rows = Table.grid(padding=(0, 1))
        for _ in range(3):
            rows.add_column(no_wrap=True)
        counted = any(_total(each) for each in models)
        if counted:
            rows.add_column(width=min(BAR_WIDTH, self._console.width // 5))
        rows.add_column()  # the one that gives way on a narrow terminal
        for each in models:
            state = Text(each["state"], COLOURS.get(each["state"], ""))
            detail = Text(told(each) + self._clock(each), no_wrap=True, overflow="ellipsis")
            rows.add_row(self._spinner, Text(each["name"]), state, *([_bar(each)] if counted else []), detail)
        return rows

    def _clock(self, model: dict[str, Any]) -> str:
        """Where nothing is counted, at least how long it has lasted."""
        if _total(model):
            return ""
        spent = time.monotonic() - self._since[model["name"]][1]
        return f" ({duration(spent)})" if spent >= SHOW_CLOCK_AFTER else ""


def _total(model: dict[str, Any]) -> float | None:
    return (model["progress"] or {}).get("total")


def _bar(model: dict[str, Any]) -> RenderableType:
    total = _total(model)
    return ProgressBar(total, model["progress"]["done"]) if total else ""


@contextmanager
def status_line() -> Iterator[Callable[[str], None]]:
    """One line that changes in place; it vanishes at the end."""
    with Console(stderr=True).status("serving") as status:
        yield lambda text: status.update(Text(f"{text}; Ctrl-C stops"))

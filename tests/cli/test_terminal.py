"""What a person sees on a terminal, and what stays on it afterwards."""

from __future__ import annotations

from typing import Any

from headway.control.snapshot import ModelView
from tests.support.cli import FakeControl, Terminal
from tests.support.running import Headway
from tests.support.snapshots import a_model, a_snapshot

MODEL = "kind: Model\nname: {name}\nsource: builtin://smollm2-135m-instruct\n"
THREE = "---\n".join(MODEL.format(name=name) for name in ("a", "b", "c"))


def preparing(name: str, **progress: Any) -> ModelView:
    defaults = {"stage": "download", "label": "smollm2", "done": 0, "total": None, "unit": "bytes", "eta": None}
    return a_model(name, state="preparing", replicas_wanted=1, replicas=[], progress=defaults | progress)


def starting(name: str) -> ModelView:
    return a_model(name, state="starting", message="the engine is loading", replicas_wanted=1, replicas=[])


def ready(name: str) -> str:
    return f"{name}  ready  1 replica  http://127.0.0.1:8484/v1"


def test_rows_become_lines_and_none_is_lost(headway: Headway, control: FakeControl) -> None:
    control.will_apply(a="added", b="added", c="added")
    control.show(a_snapshot(preparing("a", done=41e6, total=98e6, eta=4.2), preparing("b"), starting("c")))
    command = headway.command("up", str(headway.model_file("three.yaml", THREE)), "-d")
    terminal = Terminal(command, headway.env, columns=80)
    try:
        terminal.until("41 MB of 98 MB, about 4.2 s left")
        assert "downloading smollm2" in terminal.raw
        assert "the engine is loading" in terminal.raw
        control.show(a_snapshot(preparing("a", done=98e6, total=98e6), a_model("b"), starting("c")))
        terminal.until(ready("b"))
        terminal.until("98 MB of 98 MB")
        control.show(a_snapshot(a_model("a"), a_model("b"), starting("c")))
        terminal.until(ready("a"))
        terminal.until("the engine is loading")
        control.show(a_snapshot(a_model("a"), a_model("b"), a_model("c")))
        assert terminal.wait() == 0
        said = [ready("b"), ready("a"), ready("c"), "page http://127.0.0.1:8485"]
        assert terminal.screen() == [*said, 'Try: headway chat a "What is the capital of France?"']
    finally:
        terminal.close()


def test_rows_keep_to_their_line_on_a_narrow_terminal(headway: Headway, control: FakeControl) -> None:
    control.will_apply(a="added")
    control.show(a_snapshot(preparing("a", done=41e6, total=98e6, label="a-very-long-label" * 9)))
    command = headway.command("up", str(headway.model_file("three.yaml", THREE)), "-d")
    terminal = Terminal(command, headway.env, columns=50)
    try:
        terminal.until("41 MB of")
        control.show(a_snapshot(a_model("a")))
        assert terminal.wait() == 0
        assert terminal.screen()[0] == ready("a"), "nothing of the rows is left above"
    finally:
        terminal.close()


def test_serving_in_the_foreground_is_one_line(headway: Headway, control: FakeControl) -> None:
    control.will_apply(a="added")
    control.show(a_snapshot(a_model("a"), gateway={"running": 3, "waiting": 2, "tokens_per_second": 41.6}))
    command = headway.command("up", str(headway.model_file("three.yaml", THREE)))
    terminal = Terminal(command, headway.env, columns=120)
    try:
        terminal.until("1 of 1 model ready, 3 requests running, 2 waiting, 42 tok/s; Ctrl-C stops")
        failed = a_model("b", state="failed", replicas=[])
        control.show(a_snapshot(a_model("a"), failed))
        terminal.until("1 of 2 models ready, 0 requests running, 0 tok/s, b failed; Ctrl-C stops")
        terminal.type("\x03")
        assert terminal.wait() == 0
        last = "left running: another headway up started it. Stop it with: headway down"
        assert terminal.screen()[-1].endswith(last)
    finally:
        terminal.close()
    assert control.downs() == []

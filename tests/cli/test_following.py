"""`headway up` while Models become ready, do not, or are taken away: scripted answers behind a real socket."""

from __future__ import annotations

import subprocess
from typing import Any

import msgspec
import pytest

from headway.cli import follow as following
from headway.cli.client import ControlClient
from headway.cli.progress import Lines
from headway.control.snapshot import ModelView, VariantView
from headway.errors import Cancelled, SpecError
from headway.paths import StateDir
from tests.support.cli import FakeControl
from tests.support.running import Headway
from tests.support.snapshots import a_model, a_replica, a_snapshot

CHAT = "kind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\n"
READY = "chat  ready  1 replica  http://127.0.0.1:8484/v1"
NEXT = ["page http://127.0.0.1:8485", 'Try: headway chat chat "What is the capital of France?"']


def preparing(**progress: Any) -> ModelView:
    defaults = {"stage": "download", "label": "smollm2", "done": 0, "total": None, "unit": "bytes", "eta": None}
    return a_model(state="preparing", message="fetching", replicas_wanted=1, replicas=[], progress=defaults | progress)


def failed(reason: str, **fields: Any) -> ModelView:
    replica = a_replica("chat-0", state="failed", log="/logs/chat-0.log")
    defaults = {"state": "failed", "message": "it ended", "next_action": "headway logs chat", "replicas": [replica]}
    return a_model(reason=reason, **(defaults | fields))


def up(headway: Headway, *options: str) -> subprocess.Popen[str]:
    return headway.start("up", str(headway.model_file("chat.yaml", CHAT)), *options)


def test_progress_without_a_terminal_is_a_line_a_stage(headway: Headway, control: FakeControl) -> None:
    control.will_apply(chat="added")
    control.show(a_snapshot(preparing(done=41e6, total=98e6, eta=4.2)))
    running = up(headway, "-d")
    assert running.stderr
    first = running.stderr.readline()
    assert first == "chat  preparing: downloading 41 MB of 98 MB, about 4.2 s left: smollm2\n"
    control.show(a_snapshot(preparing(stage="build", label="llama-server", done=12, total=340, unit="steps", eta=240)))
    assert running.stderr.readline() == "chat  preparing: building 12 of 340, about 4 min left: llama-server\n"
    control.show(a_snapshot(a_model()))
    told, errors = running.communicate(timeout=30)
    assert (running.returncode, errors, told.splitlines()) == (0, "", [READY, *NEXT])
    (applied,) = [body for method, _, body in control.asked if method == "POST"]
    assert applied["origin"] == str(headway.state.parent / "chat.yaml")
    assert applied["prune"] is False
    assert [each["name"] for each in applied["models"]] == ["chat"]


def test_each_change_is_told(headway: Headway, control: FakeControl) -> None:
    control.will_apply(chat="unchanged", old="removed")
    control.show(a_snapshot(a_model()))
    done = headway.run("up", str(headway.model_file("chat.yaml", CHAT)), "-d", "--prune")
    assert done.stdout.splitlines() == ["old  removed", f"{READY}  (unchanged)", *NEXT]


def test_other_addresses_than_those_that_run_are_said(headway: Headway, control: FakeControl) -> None:
    control.will_apply(chat="unchanged")
    control.show(a_snapshot(a_model()))
    done = headway.run("up", str(headway.model_file("chat.yaml", CHAT)), "-d", "--port", "9000", "--page-port", "8485")
    assert done.stderr == (
        "joined the Headway that runs at http://127.0.0.1:8484/v1, page http://127.0.0.1:8485;"
        " --port would count after headway down\n"
    )


def test_settings_are_read_first_and_are_of_the_one_that_starts(headway: Headway, control: FakeControl) -> None:
    control.will_apply(chat="unchanged")
    control.show(a_snapshot(a_model()))
    file, chat = headway.state.parent / "gateway.yaml", str(headway.model_file("chat.yaml", CHAT))
    file.write_text("connect_seconds: 1\nbody_bites: 1\n")
    done = headway.run("up", chat, "-d", "--settings", str(file))
    assert (done.returncode, done.stderr) == (
        2,
        f"error: {file}:2:1: body_bites: unknown setting; did you mean body_bytes?\n",
    )
    assert not [body for method, _, body in control.asked if method == "POST"]
    file.write_text("connect_seconds: 1\n")
    done = headway.run("up", chat, "-d", "--settings", str(file))
    assert done.returncode == 0
    assert done.stderr.endswith("; --settings would count after headway down\n")


@pytest.mark.parametrize("reason", ["CrashLoop", "StartTimeout", "PrepareFailed", "NoSuchGpu", "NotEnoughMemory"])
def test_a_model_that_fails_is_one_line_and_is_taken_back(headway: Headway, control: FakeControl, reason: str) -> None:
    control.will_apply(chat="added")
    control.will("POST", "/down", {"removed": ["chat"]})
    control.show(a_snapshot(failed(reason)))
    done = headway.run("up", str(headway.model_file("chat.yaml", CHAT)), "-d")
    line = "error: chat: it ended; headway logs chat; its log is /logs/chat-0.log\n"
    assert (done.returncode, done.stderr, done.stdout) == (1, line, "")
    assert control.downs() == ["chat"]


def test_a_changed_model_that_fails_stays_and_is_said(headway: Headway, control: FakeControl) -> None:
    """While its older Replica goes on answering: `degraded`, and not a wait without end."""
    control.will_apply(chat="changed")
    old, new = a_replica("chat-0", revision="0000000000"), a_replica("chat-1", state="failed", log="")
    control.show(a_snapshot(failed("CrashLoop", state="degraded", replicas=[old, new])))
    done = headway.run("up", str(headway.model_file("chat.yaml", CHAT)), "-d")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "chat stays as changed: headway status chat, or change the file and up again",
        "error: chat: it ended; headway logs chat",
    ]
    assert control.downs() == []


def test_a_replica_that_makes_room_is_waited_for() -> None:
    old = a_replica("chat-0", revision="0000000000")
    waits = vars_of(failed("NotEnoughMemory", state="degraded", replicas=[old, a_replica("chat-1", state="pending")]))
    assert following.failure(waits) is None
    alone = vars_of(failed("NotEnoughMemory", state="pending", replicas=[a_replica("chat-1", state="pending")]))
    assert following.failure(alone) is not None


def vars_of(model: ModelView) -> dict[str, Any]:
    """As it comes out of the socket."""
    fields = {name: getattr(model, name) for name in model.__struct_fields__}
    fields["replicas"] = [{name: getattr(each, name) for name in each.__struct_fields__} for each in model.replicas]
    return fields


def test_a_model_that_somebody_else_changes_or_takes_away(
    headway: Headway, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "OURS_WITHIN", 0.0)
    changes = [{"name": "chat", "change": "added", "revision": "3fa92c81d0"}]
    for models in ([], [a_model(revision="0000000000")]):
        control.show(a_snapshot(*models))
        with pytest.raises(Cancelled, match="chat: changed or taken down by another command"):
            following.follow(ControlClient(StateDir(headway.state)), changes, 0, Lines())


def test_a_control_process_that_ends_meanwhile(headway: Headway, control: FakeControl) -> None:
    control.will_apply(chat="added")
    control.show(a_snapshot(preparing()))
    running = up(headway, "-d")
    assert control.watched.wait(30)
    control.end(killed=True)
    _, errors = running.communicate(timeout=30)
    log = headway.state / "logs/control.log"
    assert running.returncode == 3
    assert errors.splitlines()[-1] == f"error: the control process ended meanwhile; see {log}"


@pytest.mark.parametrize(
    ("killed", "status", "line"),
    [
        (False, 0, "stopped by another command"),
        (
            True,
            3,
            "error: the control process was killed; gateway and engines go on serving;"
            " take them over with headway up, or stop them with headway down",
        ),
    ],
)
def test_the_foreground_when_the_control_process_ends(
    headway: Headway, control: FakeControl, killed: bool, status: int, line: str
) -> None:
    control.will_apply(chat="added")
    control.show(a_snapshot(a_model()))
    running = up(headway)
    assert running.stderr
    assert running.stderr.readline() == "serving; Ctrl-C or SIGTERM stops\n"
    control.end(killed=killed)
    _, errors = running.communicate(timeout=30)
    assert (running.returncode, errors) == (status, f"{line}\n")


def test_a_refusal_keeps_every_fault_and_its_status(headway: Headway, control: FakeControl) -> None:
    second = SpecError("too many", file="chat.yaml", line=7, column=1, field="replicas")
    first = SpecError("found x", hint="write y", file="chat.yaml", line=4, column=2, field="gpu", others=[second])
    control.will("POST", "/apply", {"error": first.to_wire()}, status=400)
    done = headway.run("up", str(headway.model_file("chat.yaml", CHAT)), "-d")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        "error: chat.yaml:4:2: gpu: found x; write y",
        "error: chat.yaml:7:1: replicas: too many",
    ]
    assert control.downs() == [], "it was not ours to stop"


def test_an_answer_that_is_none(headway: Headway, control: FakeControl) -> None:
    control.will("GET", "/explain/chat", b"<html>")
    done = headway.run("explain", "chat")
    assert done.returncode == 3
    assert done.stderr.startswith("error: the control process broke off: ")
    control.will("GET", "/explain/a%2Fb", b"Not Found", status=404)
    wrong = headway.run("explain", "a/b")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "error: nothing at /explain/a%2Fb here; headway ls names the models\n",
    )


def test_what_others_wrote_is_no_markup(headway: Headway, control: FakeControl) -> None:
    """A message with brackets, newlines and escapes stays text on its line."""
    control.show(a_snapshot(failed("CrashLoop", message="[bold]exit[/bold] [1]\n\x1b[31mred")))
    (_, line) = headway.run("ls").stdout.splitlines()
    assert line.endswith("[bold]exit[/bold] [1] [31mred")


def test_an_empty_headway(headway: Headway, control: FakeControl) -> None:
    done = headway.run("ls")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "no models; add one: headway up smollm2-135m-instruct\n"
    assert headway.run("ls", "--json").stdout == "[]\n"


def test_names_are_completed(headway: Headway, control: FakeControl) -> None:
    control.show(a_snapshot(a_model("chat"), a_model("chap"), a_model("other")))
    headway.env |= {"_HEADWAY_COMPLETE": "complete_bash", "COMP_WORDS": "headway status ch", "COMP_CWORD": "2"}
    assert headway.run().stdout.split() == ["chat", "chap"]
    control.end()
    assert headway.run().stdout.strip() == "", "nothing runs: silence, at once"


def test_a_model_is_ready_when_all_of_its_variants_are() -> None:
    variants = [VariantView(each, each, "mock", "builtin://mock", 1, 1, {}) for each in ("r1", "r2")]
    replicas = [a_replica("chat-0", revision="r1"), a_replica("chat-1", revision="r2")]
    model = a_model(revision="r1", variants=variants, replicas=replicas, replicas_wanted=2)
    assert following.is_ready(msgspec.to_builtins(model))
    old = [*replicas[:1], a_replica("chat-1", revision="r0")]
    assert not following.is_ready(msgspec.to_builtins(msgspec.structs.replace(model, replicas=old)))

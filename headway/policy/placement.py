"""Whether and where a Replica starts on a Site: memory before anything else, then GPUs, then cores. Pure.

Free memory is what the Site reads now, less what running Replicas were promised and have not taken yet: an engine that
is still loading, and weights that are mapped from a file (the kernel calls those pages free, the engine needs them).
A wish that can never be met (REFUSE) is told apart from one that cannot be met now (WAIT).
With a GPU the weights lie on the GPU: its memory is checked instead of the machine's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headway.policy.decision import Action, Decision, Reason
from headway.policy.gpu_choice import Device, Held, choose, fitting, matching
from headway.spec.gpu import GpuWish

__all__ = ["LOOK_AGAIN_NOW", "LOOK_AGAIN_REFUSED", "Placement", "Refusal", "Room", "Taken", "Wish", "place"]

LOOK_AGAIN_NOW = 2.0
"""Seconds until a wish that does not fit now is tried again: memory is freed by others without telling us."""

LOOK_AGAIN_REFUSED = 30.0
"""Seconds until one that can never fit is: limits of a container and drivers do change, but rarely."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One Replica that is to start. `replicas` is how many share the Site's cores, this one included."""

    replica: str
    model: str
    memory_bytes: int
    gpu: GpuWish | None = None  # None = cores only
    cpu: float | None = None
    replicas: int = 1
    memory_why: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """What the Site has, as it reads it now. Bytes."""

    cores: int
    memory_bytes: int
    free_memory_bytes: int
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What one running Replica was promised. `resident_bytes` has already gone from the Site's free memory."""

    replica: str
    memory_bytes: int
    resident_bytes: int = 0
    gpus: tuple[str, ...] = ()
    fraction: float = 1.0
    loading: bool = True

    @property
    def outstanding_bytes(self) -> int:
        return 0 if self.gpus else max(0, self.memory_bytes - self.resident_bytes)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where it starts; `why` says of each derived value how it came about."""

    memory_bytes: int
    threads: int
    decision: Decision
    gpus: tuple[str, ...] = ()
    fraction: float = 1.0
    why: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    decision: Decision

    @property
    def never(self) -> bool:
        """It does not fit even when nothing else runs."""
        return self.decision.action is Action.REFUSE


def place(wish: Wish, room: Room, taken: Sequence[Taken]) -> Placement | Refusal:
    """A place for one more Replica beside those that are `taken`, or why there is none."""
    gpus = _place_on_gpus(wish, room, taken)
    if isinstance(gpus, Refusal):
        return gpus
    if not gpus and (refusal := _refuse_memory(wish, room, taken)):
        return refusal
    threads, threads_why = _threads(wish, room)
    fraction = wish.gpu.fraction if wish.gpu and gpus else 1.0
    numbers = {"memory_bytes": wish.memory_bytes, "threads": threads, "cores": room.cores, "gpus": len(gpus)}
    return Placement(
        memory_bytes=wish.memory_bytes,
        threads=threads,
        decision=Decision(wish.replica, Action.START, Reason.STARTING, _summary(wish, threads, gpus), numbers),
        gpus=tuple(device.uuid for device in gpus),
        fraction=fraction,
        why={"threads": threads_why, "memory": wish.memory_why, "gpus": _gpus_why(wish, room, gpus)},
    )


def _place_on_gpus(wish: Wish, room: Room, taken: Sequence[Taken]) -> tuple[Device, ...] | Refusal:
    """The GPUs; empty when it runs on cores."""
    if wish.gpu is None:
        return ()
    alike = matching(wish.gpu, room.devices)
    large = fitting(wish.gpu, wish.memory_bytes, alike)
    held = [held for one in taken for held in _held(one, room)]
    if chosen := choose(wish.gpu, wish.memory_bytes, large, held):
        return chosen
    if wish.gpu.optional:
        return ()
    if max((_count_of(device, alike) for device in alike), default=0) < wish.gpu.count:
        return _no_such_gpu(wish, wish.gpu, room)
    if max((_count_of(device, large) for device in large), default=0) < wish.gpu.count:
        return _gpu_too_small(wish, wish.gpu, alike)
    return _no_free_gpu(wish, wish.gpu, large, held)


def _held(taken: Taken, room: Room) -> list[Held]:
    each = taken.memory_bytes // max(1, len(taken.gpus)) if taken.loading else 0
    known = {device.uuid for device in room.devices}
    return [Held(uuid, taken.fraction, each) for uuid in taken.gpus if uuid in known]


def _count_of(device: Device, among: Sequence[Device]) -> int:
    return sum(other.product == device.product for other in among)


def _no_such_gpu(wish: Wish, gpu: GpuWish, room: Room) -> Refusal:
    present = ", ".join(sorted({device.profile or device.product for device in room.devices})) or "none"
    message = f"{wish.model}: asks for {gpu}, this machine has {present}"
    numbers = {"wanted": gpu.count, "present": len(room.devices)}
    return _refusal(wish, Reason.NO_SUCH_GPU, message, numbers, never=True)


def _gpu_too_small(wish: Wish, gpu: GpuWish, alike: Sequence[Device]) -> Refusal:
    largest = int(max(device.memory_bytes for device in alike) * gpu.fraction) * gpu.count
    need, has = _apart(wish.memory_bytes, largest)
    message = f"{wish.model}: needs {need} of GPU memory, {gpu} has {has}"
    numbers = {"need_bytes": wish.memory_bytes, "largest_bytes": largest}
    return _refusal(wish, Reason.NOT_ENOUGH_MEMORY, message, numbers, never=True)


def _no_free_gpu(wish: Wish, gpu: GpuWish, large: Sequence[Device], held: Sequence[Held]) -> Refusal:
    uuids = {device.uuid for device in large}
    busy = {one.uuid for one in held if one.uuid in uuids}
    free = max(device.free_bytes for device in large)
    message = f"{wish.model}: asks for {gpu}; {len(busy)} of {len(large)} are held by replicas"
    if len(busy) < len(large):
        message += f", and at most {_size(free)} is free on one"
    numbers = {"wanted": gpu.count, "matching": len(large), "held": len(busy), "free_bytes": free}
    return _refusal(wish, Reason.NO_FREE_GPU, message, numbers, never=False)


def _refuse_memory(wish: Wish, room: Room, taken: Sequence[Taken]) -> Refusal | None:
    promised = sum(one.outstanding_bytes for one in taken)
    free = max(0, room.free_memory_bytes - promised)
    if wish.memory_bytes <= free:
        return None
    numbers = {
        "need_bytes": wish.memory_bytes,
        "free_bytes": free,
        "promised_bytes": promised,
        "total_bytes": room.memory_bytes,
    }
    if wish.memory_bytes > room.memory_bytes:
        need, total = _apart(wish.memory_bytes, room.memory_bytes)
        message = f"{wish.model}: needs {need}, this machine has {total} in all"
        return _refusal(wish, Reason.NOT_ENOUGH_MEMORY, message, numbers, never=True)
    need, left = _apart(wish.memory_bytes, free)
    message = f"{wish.model}: needs {need}, {left} free"
    if promised:
        message += f" ({_size(promised)} more is promised to running replicas)"
    return _refusal(wish, Reason.NOT_ENOUGH_MEMORY, message, numbers, never=False)


def _refusal(wish: Wish, reason: Reason, message: str, numbers: Mapping[str, int], *, never: bool) -> Refusal:
    action = Action.REFUSE if never else Action.WAIT
    look_again = LOOK_AGAIN_REFUSED if never else LOOK_AGAIN_NOW
    return Refusal(Decision(wish.replica, action, reason, message, numbers, look_again))


def _threads(wish: Wish, room: Room) -> tuple[int, str]:
    if wish.cpu is not None:
        threads = max(1, min(int(wish.cpu), room.cores))
        return threads, f"cpu: {wish.cpu:g} in the file, on {_cores(room.cores)}"
    threads = max(1, room.cores // max(1, wish.replicas))
    sharing = "1 replica has" if wish.replicas == 1 else f"{wish.replicas} replicas share"
    return threads, f"{threads} of {_cores(room.cores)}: {sharing} this machine"


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _gpus_why(wish: Wish, room: Room, gpus: Sequence[Device]) -> str:
    if gpus:
        names = ", ".join(device.profile or device.product for device in gpus)
        return f"the smallest that holds {_size(wish.memory_bytes)}: {names}"
    if wish.gpu is None:
        return "runs on cores"
    return "runs on cores: no GPU with room for it" if room.devices else "runs on cores: this machine has no GPU"


def _summary(wish: Wish, threads: int, gpus: Sequence[Device]) -> str:
    where = f"on {len(gpus)} GPU" + "s" * (len(gpus) > 1) if gpus else f"on {_cores(threads)}"
    return f"{wish.model}: starts {where}, {_size(wish.memory_bytes)} promised"


def _size(count: int, digits: int = 1) -> str:
    return f"{count / 1e9:.{digits}f} GB" if count >= 5e7 else f"{count / 1e6:.{digits}f} MB"


def _apart(larger: int, smaller: int) -> tuple[str, str]:
    """Both sizes, with as many digits as it takes that they do not read the same."""
    for digits in (1, 2, 3):
        pair = _size(larger, digits), _size(smaller, digits)
        if pair[0] != pair[1]:
            return pair
    return f"{larger} bytes", f"{smaller} bytes"

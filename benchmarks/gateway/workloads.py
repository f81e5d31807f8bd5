"""What is asked of every proxy. Prompts come in 16 groups that share their first nine tenths, as turns of a chat do."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["WORKLOADS", "Workload", "quick"]


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    title: str
    connections: int
    size: int = 1024
    """Bytes of a request's body."""
    shared: int = 90
    """Percent of the prompt that every sixteenth request has too."""
    events: int = 0
    """Of each answer's stream; 0 = a whole answer."""
    pace_us: int = 1000
    """Between two events of a stream."""
    rate: int = 0
    """Requests a second of an open loop; 0 = a closed loop."""
    warm: float = 0.7
    seconds: float = 2.5
    saturates: bool = False
    """The proxy is meant to have no core time left: when it had, something else was the bottleneck."""
    memory: bool = False
    """PSS is read shortly before the end, and all connections must be in mid-stream then."""
    once: bool = False
    """Only in the last round: what it shows grows, or does not, over all that went before."""

    def options(self, key: str, first: int) -> list[str]:
        """For load.c, but for its ports."""
        numbers = {
            "connections": self.connections,
            "size": self.size,
            "shared": self.shared,
            "events": self.events,
            "rate": self.rate,
            "warm": self.warm,
            "seconds": self.seconds,
            "first": first,
        }
        return [f"{name}={value}" for name, value in numbers.items()] + [f"key={key}"]

    def lasting(self, seconds: float) -> Workload:
        return replace(self, warm=0.0, seconds=seconds)


WORKLOADS = (
    Workload("w1", "1 KiB, 64 connections, closed loop", 64, saturates=True),
    Workload("w2", "32 KiB, 64 connections, closed loop", 64, size=32 * 1024, saturates=True),
    Workload("w400", "400 KB, 16 connections, closed loop", 16, size=400_000, saturates=True),
    Workload("s1", "64 streams of 100 events, 1 ms apart", 64, events=100),
    Workload("s10", "64 streams of 100 events, 10 ms apart", 64, events=100, pace_us=10_000),
    Workload("l1000", "1 KiB, open loop, 1,000 requests/s", 64, rate=1000),
    Workload(
        "m1000",
        "1,000 open streams, an event every 4 s",
        1000,
        events=10,
        pace_us=4_000_000,
        warm=10.0,
        seconds=2.0,
        memory=True,
        once=True,
    ),
)


def quick(workload: Workload) -> Workload:
    """Long enough to see that everything works, too short for figures."""
    return replace(workload, warm=min(workload.warm, 3.0) if workload.memory else 0.3, seconds=1.0)

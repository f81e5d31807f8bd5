"""Replicas as a fluid, second by second: a double of the simulator that is small enough to be read and fast in tests.

Each ready replica works off one replica-second a second from one line, first come first served. Requests in flight are
as many as the share of its time that a replica works, of the sequences it bears, and those in the line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from headway.policy.decision import Decision
from headway.policy.scaling.observation import WINDOWS, Backlog, Capacity, Observation, Starting, Window
from headway.policy.scaling.scaler import Memory, Scaler

CAPACITY = Capacity(prefill=8000.0, decode=1500.0, sequences=32.0)


@dataclass(frozen=True, slots=True)
class Came:
    at: float
    prompt: float
    output: float


@dataclass(slots=True)
class Played:
    """`targets`: (when, target) at each change; `present`: by second."""

    ready: list[int] = field(default_factory=list)
    present: list[int] = field(default_factory=list)
    decisions: list[tuple[float, Decision]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    @property
    def operations(self) -> int:
        return sum(abs(b - a) for a, b in zip(self.present, self.present[1:], strict=False))

    @property
    def replica_seconds(self) -> int:
        return sum(self.present)

    def attained(self, limit: float) -> float:
        return sum(wait <= limit for wait in self.waits) / max(len(self.waits), 1)


@dataclass(slots=True)
class Fluid:
    scaler: Scaler
    low: int = 1
    high: int = 100
    cold: float = 120.0
    ready: int = 1
    idle_after: float | None = None
    capacity: Capacity = CAPACITY
    budget: float | None = None
    price: float | None = None

    def play(self, requests: Sequence[Came], seconds: int) -> Played:
        played, memory, again = Played(), Memory(), 0.0
        line: deque[list[float]] = deque()  # replica-seconds left, arrived at
        starting: list[float] = []  # since when
        came: list[tuple[float, float, float, float]] = [
            (0.0, 0.0, 0.0, 0.0)
        ]  # by second: n, prompt, output, in flight
        source, idle, ready = deque(requests), 0.0, self.ready
        for second in range(seconds):
            now = float(second)
            ready += sum(1 for since in starting if since + self.cold <= now)
            starting = [since for since in starting if since + self.cold > now]
            n = prompt = output = 0.0
            while source and source[0].at < now + 1:
                each = source.popleft()
                line.append([self.capacity.seconds(each.prompt, each.output), each.at, each.prompt, each.output])
                n, prompt, output = n + 1, prompt + each.prompt, output + each.output
            room = float(ready)
            while line and room > 0:
                first = line[0]
                if first[0] > room:
                    first[0] -= room
                    room = 0.0
                    break
                room -= first[0]
                played.waits.append(max(0.0, now - first[1]))
                line.popleft()
            busy = ready - room
            flying = busy * self.capacity.sequences + len(line)
            idle = 0.0 if n or line else idle + 1.0
            came.append((n, prompt, output, flying))
            poked = not ready and not starting and bool(line)
            if now >= again or poked:
                seen = self._seen(ready, starting=starting, line=line, came=came, busy=busy, idle=idle, now=now)
                verdict = self.scaler.decide(seen, memory, now)
                memory, again = verdict.memory, now + (verdict.decision.look_again or 1.0)
                played.decisions.append((now, verdict.decision))
                change = verdict.target - seen.present
                starting += [now] * max(0, change)
                for _ in range(max(0, -change)):
                    if starting:
                        starting.pop()
                    else:
                        ready -= 1
            played.ready.append(ready)
            played.present.append(ready + len(starting))
        played.waits += [1e9] * len(line)
        return played

    def _seen(
        self,
        ready: int,
        *,
        starting: Sequence[float],
        line: Sequence[list[float]],
        came: list[tuple[float, float, float, float]],
        busy: float,
        idle: float,
        now: float,
    ) -> Observation:
        windows = []
        for seconds in WINDOWS:
            part = came[-int(seconds) :]
            sums = [sum(column) for column in zip(*part, strict=True)]
            windows.append(Window(len(part), sums[0], sums[1], sums[2], sums[3] / len(part)))
        waiting = Backlog(len(line), sum(each[2] for each in line), sum(each[3] for each in line))
        return Observation(
            "chat",
            ready,
            tuple(Starting(now - since, since + self.cold - now) for since in starting),
            tuple(windows),
            self.capacity,
            low=self.low,
            high=self.high,
            waiting=waiting,
            running=int(busy * self.capacity.sequences + 0.999),
            cold_start=self.cold,
            idle=idle,
            idle_after=self.idle_after,
            budget=self.budget,
            price=self.price,
        )

"""One replica: requests are offered to it, time passes, tokens come out.

Steps follow one another without a pause while there is something to compute. A step that computes prompts is done one
by one; a run of steps in which nobody comes or goes is one jump: of n sequences, k steps take k * t0 + g * n * k * (k -
1) / 2 seconds, t0 the first one's time and g what each token of context adds. Whoever comes in the middle of a run
waits for the end of the step under way, as everywhere.

The steps are chosen when they are asked for (`next_event`, `advance`), so that requests offered at the same time, and
what callers answer to an event at once, are in the same step.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from math import ceil, inf, sqrt
from typing import NamedTuple, Protocol

from headway.errors import UsageError
from headway.perf.batching.adapters import Adapters
from headway.perf.batching.schedule import Scheduler, Work
from headway.perf.batching.sequence import Request, Sequence
from headway.perf.step.shape import Limits, StepTime

__all__ = ["Event", "Happens", "Ran", "Replica", "Watch"]


class Happens(StrEnum):
    FIRST = "first"  # its first token is there
    END = "end"  # its last one
    PREEMPTED = "preempted"  # its blocks went to older ones; it will be computed anew
    CANCELLED = "cancelled"


class Event(NamedTuple):
    """`cached`: tokens of its prompt that were found in the cache when it was first scheduled."""

    kind: Happens
    at: float
    request: Request
    cached: int


class Ran(NamedTuple):
    """So many `steps` from `start` to `end`, the first of `first` seconds and each `longer` by so much than the one
    before; each gave `decodes` sequences a token. `prompt`: tokens of prompts that it computed (then it is one)."""

    start: float
    end: float
    first: float
    longer: float
    steps: int
    decodes: int
    prompt: int


class Watch(Protocol):
    """Who wants to see steps."""

    def ran(self, ran: Ran) -> None: ...

    def waited(self, seconds: float) -> None:
        """A sequence's next token came so late, because it was preempted."""


class _Run:
    __slots__ = ("first", "growth", "start", "steps", "work")

    def __init__(self, start: float, first: float, growth: float, steps: int, work: Work) -> None:
        self.start, self.first, self.growth, self.steps, self.work = start, first, growth, steps, work

    def at(self, steps: int) -> float:
        """When so many are done."""
        return self.start + (steps * self.first + self.growth * (steps * (steps - 1) / 2))

    def until(self, now: float) -> int:
        """The first steps, at least one, that are not done before `now`."""
        wanted, first, growth = now - self.start, self.first, self.growth
        if growth > 0:
            half = first - growth / 2  # steps^2 * growth / 2 + steps * half = wanted
            guess = (sqrt(half * half + 2 * growth * wanted) - half) / growth if half > 0 else 1.0
        else:
            guess = wanted / first
        steps = max(1, min(self.steps, ceil(guess)))
        while steps > 1 and self.at(steps - 1) >= now:
            steps -= 1
        while steps < self.steps and self.at(steps) < now:
            steps += 1
        return steps


class Replica:
    """`jump=False`: each step is done by itself, for tests. `adapter_slots` 0: an adapter is loaded once. `since`: from
    when on it takes steps."""

    def __init__(
        self,
        step: StepTime,
        limits: Limits,
        *,
        prefix_cache: bool = True,
        adapter_slots: int = 0,
        adapter_seconds: float = 0.0,
        since: float = 0.0,
        watch: Watch | None = None,
        jump: bool = True,
    ) -> None:
        self.limits = limits
        self.scheduler = Scheduler(limits, prefix_cache=prefix_cache)
        self.adapters = Adapters(adapter_slots, adapter_seconds)
        self.has_slots = adapter_slots > 0
        self.busy = 0.0  # seconds of steps
        self._step, self._watch, self._jump = step, watch, jump
        self._now = since
        self._run: _Run | None = None
        self._sequences: dict[int, Sequence] = {}
        self._loading: list[tuple[float, Sequence]] = []  # in the order of their offers
        self._slotless: list[Sequence] = []
        self._leaving: list[Sequence] = []
        self._told: list[Event] = []

    @property
    def running(self) -> int:
        return len(self.scheduler.running)

    @property
    def waiting(self) -> int:
        return len(self._sequences) - len(self.scheduler.running)

    @property
    def kv_used(self) -> float:
        """Share of the blocks that sequences hold, as of the last event."""
        return self.scheduler.blocks.used / self.scheduler.blocks.total

    @property
    def idle(self) -> bool:
        return not self._sequences

    def fits(self, request: Request) -> bool:
        """Whether it can ever be computed here."""
        return request.prompt + request.output <= self.scheduler.blocks.total * self.limits.block

    def requests(self) -> Iterator[Request]:
        """Those that have not ended, in the order of their offers."""
        return (each.request for each in self._sequences.values())

    def offer(self, request: Request, now: float) -> None:
        """It came. Raises UsageError for one that never fits, and for an id that is here already."""
        if not self.fits(request):
            tokens = self.scheduler.blocks.total * self.limits.block
            message = f"request {request.id} has {request.prompt} + {request.output} tokens, and KV for {tokens} fits"
            raise UsageError(message, hint="take a larger accelerator, or a smaller context")
        if request.id in self._sequences:
            raise UsageError(f"request {request.id} is here already", hint="give each an id of its own")
        self._now = max(self._now, now)
        sequence = self._sequences[request.id] = self.scheduler.sequence(request)
        if request.adapter:
            self._want_adapter(sequence)
        else:
            self._enter(sequence, now)

    def cancel(self, number: int, now: float) -> bool:
        """Its caller left: it is taken off at the end of the step under way. False: it is not here."""
        sequence = self._sequences.get(number)
        if sequence is None:
            return False
        self._now = max(self._now, now)
        if sequence not in self.scheduler.running:
            self._forget(sequence)
            self._told.append(Event(Happens.CANCELLED, now, sequence.request, max(sequence.cached, 0)))
            return True
        self._leaving.append(sequence)
        self._cut(now)
        return True

    def next_event(self) -> float:
        """When something happens if nobody comes; infinite: never."""
        if self._told:
            return self._now
        if self._run is None:
            if not self._sequences:
                return inf
            self._begin()
        if self._told:  # one was put out to let the others go on
            return self._now
        if self._run is not None:
            return self._run.at(self._run.steps)
        return min((at for at, _ in self._loading), default=inf)

    def advance(self, to: float) -> list[Event]:
        """What happened until then, in order. `to` is never before an earlier one, nor before an offer."""
        found: list[Event] = []
        while True:
            if self._told:
                found += self._told
                self._told.clear()
            elif (self._run is None and self._now >= to) or self.next_event() > to:
                return found
            elif self._told:
                continue
            elif self._run is not None:
                self._finish(self._run, found)
            else:
                self._now = min(at for at, _ in self._loading)

    # a step, or a run of them

    def _begin(self) -> None:
        if self._loading:
            self._load()
        scheduler, now = self.scheduler, self._now
        work = scheduler.compose()
        for sequence in scheduler.put_out:
            sequence.last_at = now if sequence.written else 0.0
            self._told.append(Event(Happens.PREEMPTED, now, sequence.request, max(sequence.cached, 0)))
        if work is None:
            return
        decodes = work.decodes
        context = scheduler.decoding.context + decodes
        first = self._step.seconds(work.new, work.attended, len(work.finishing), decodes, context)
        steps, growth = 1, 0.0
        if not work.chunks:
            growth = self._step.growth(decodes) * decodes
            if self._jump and not scheduler.put_out:
                free = scheduler.blocks.free
                steps = scheduler.decoding.bearable(scheduler.decoding.until_end(), free)
        self._run = _Run(now, first, growth, steps, work)
        if steps > 1 and self._loading:
            self._cut(min(at for at, _ in self._loading))

    def _cut(self, now: float) -> None:
        """The run ends with the step that is under way then."""
        run = self._run
        if run is not None and run.steps > 1:
            run.steps = run.until(now)

    def _finish(self, run: _Run, found: list[Event]) -> None:
        scheduler, work, steps = self.scheduler, run.work, run.steps
        self._run, at = None, run.at(steps)
        self.busy += at - run.start
        self._now = at
        if self._watch is not None:
            self._watch.ran(Ran(run.start, at, run.first, run.growth, steps, work.decodes, work.new))
        for sequence in scheduler.done(work, steps):
            if sequence.last_at:
                if self._watch is not None:
                    self._watch.waited(at - sequence.last_at)
                sequence.last_at = 0.0
            if sequence.written == 1:
                found.append(Event(Happens.FIRST, at, sequence.request, sequence.cached))
        for sequence in scheduler.ended:
            self._end(sequence, Happens.END, at, found)
        scheduler.ended.clear()
        leaving, self._leaving = self._leaving, []
        for sequence in leaving:
            if sequence in scheduler.running:
                scheduler.take_off(sequence)
                self._end(sequence, Happens.CANCELLED, at, found)

    def _end(self, sequence: Sequence, kind: Happens, at: float, found: list[Event]) -> None:
        self._forget(sequence)
        found.append(Event(kind, at, sequence.request, max(sequence.cached, 0)))

    # who waits

    def _enter(self, sequence: Sequence, now: float) -> None:
        if self.scheduler.wait(sequence):
            self._cut(now)

    def _want_adapter(self, sequence: Sequence) -> None:
        at = self.adapters.wanted(sequence.request.adapter, self._now)
        if at is None:
            self._slotless.append(sequence)
        elif at <= self._now:
            self._enter(sequence, self._now)
        else:
            self._loading.append((at, sequence))
            self._cut(at)

    def _load(self) -> None:
        """Those whose adapters are there by now."""
        ready = [sequence for at, sequence in self._loading if at <= self._now]
        if ready:
            self._loading = [each for each in self._loading if each[0] > self._now]
            for sequence in ready:
                self.scheduler.wait(sequence)

    def _forget(self, sequence: Sequence) -> None:
        del self._sequences[sequence.request.id]
        self.scheduler.forget(sequence)
        if not sequence.request.adapter:
            return
        if sequence in self._slotless:
            self._slotless.remove(sequence)
            return
        self._loading = [each for each in self._loading if each[1] is not sequence]
        if self.adapters.left(sequence.request.adapter):
            slotless, self._slotless = self._slotless, []
            for each in slotless:
                self._want_adapter(each)

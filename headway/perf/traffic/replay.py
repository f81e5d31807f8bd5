"""Recorded requests again: each at its time, divided by `speed`, with its lengths, shared beginnings and session.

A session's later question waits for the answer before it and for as long as its caller thought, where the trace tells
when answers ended; else, and with `sessions: false`, it goes out at its recorded time. Where a prompt is long enough to
hold all that was said before, it begins with it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from headway.errors import UsageError
from headway.perf.traffic.draws import stream
from headway.perf.traffic.lengths import law
from headway.perf.traffic.pieces import ANSWER, BLOCK, OWN, fitted, piece_id
from headway.perf.traffic.planned import Operation, Piece, Planned, Stage
from headway.perf.traffic.trace import Call, Trace
from headway.spec.workload import TraceFile, Workload

__all__ = ["Replay"]

MOST_SESSIONS = 100_000
"""Remembered at once; one that has been silent for longest begins anew."""
LEAST_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class _Said:
    """Where a session stands. `number`: of its first request; `last`: of its last so far. `pieces`: the last prompt and
    its answer, of so many `tokens`. `free_at`: in the trace's time, when that answer had ended."""

    number: int
    last: int
    turn: int
    pieces: tuple[Piece, ...]
    tokens: int
    free_at: float | None

    def goes_on_with(self, call: Call) -> bool:
        """It was asked when the answer before it was there, and tells when its own was."""
        return self.free_at is not None and call.answer is not None and self.free_at <= call.at


class _Sessions(OrderedDict[str, _Said]):
    def note(self, session: str, said: _Said) -> None:
        self[session] = said
        self.move_to_end(session)
        if len(self) > MOST_SESSIONS:
            self.popitem(last=False)


class Replay:
    """A Traffic."""

    def __init__(self, workload: Workload, file: TraceFile, trace: Trace, seed: int) -> None:
        self._workload, self._file, self._trace, self._seed = workload, file, trace, seed

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Reads the trace once, to its end: a line that cannot be read is told before anything is sent."""
        count, last = 0, 0.0
        for call in self._calls():
            count, last = count + 1, (call.at - self._file.start) / self._file.speed
        if not count:
            wanted = f"{self._trace.name}: no request from {self._file.start:g} s on that could be sent"
            over = f" ({self.passed_over} failed or empty ones were passed over)" if self.passed_over else ""
            raise UsageError(f"{wanted}{over}", hint="look at from, for and share of the trace")
        gap = max(last / max(count - 1, 1), LEAST_SECONDS)  # the last one, too, has a gap behind it
        return (Stage(self._workload.name, 0.0, min(last + gap, self._lasts)),)

    @property
    def seconds(self) -> float:
        return self.stages[-1].end

    @property
    def passed_over(self) -> int:
        """Recorded requests that cannot be sent: failed, or empty. Known once the trace was read."""
        return self._trace.passed_over

    def __iter__(self) -> Iterator[Planned]:
        file, workload, continued, sessions = self._file, self._workload, self._continued, _Sessions()
        leaves_after = self._leaving()
        for number, call in enumerate(self._calls()):
            before = sessions.get(call.session) if call.session else None
            goes_on = before is not None and before.goes_on_with(call)
            prompt, output = self._sizes(number, call, before)
            said = _said(number, call, prompt, output, before if goes_on else None) if call.session else None
            if said is not None:
                sessions.note(call.session, said)
            waits = said if file.sessions and call.answer is not None else None
            yield Planned(
                number,
                (call.at - file.start) / file.speed,
                0,
                self._operation(call),
                file.models.get(call.model) or workload.model or call.model,
                prompt,
                output,
                workload.tenant or call.tenant,
                workload.adapter or "",
                waits.number if waits is not None else -1,
                waits.turn if waits is not None else 0,
                _thought(call, before) / file.speed if waits is not None and waits.turn else 0.0,
                workload.stream and self._operation(call) != "embedding",
                leaves_after(output),
                0,
                number not in continued,
            )

    def of(self, stage: int) -> Iterator[Planned]:
        return iter(self) if stage == 0 else iter(())

    @property
    def _lasts(self) -> float:
        """Seconds of the run, as far as the workload bounds it."""
        told = math.inf if self._file.lasts is None else self._file.lasts / self._file.speed
        return min(told, self._workload.lasts or math.inf)

    @cached_property
    def _continued(self) -> frozenset[int]:
        """Requests that a later one of their session waits for. Reads the trace once, where it has sessions."""
        if not (self._file.sessions and self._trace.has_sessions):
            return frozenset()
        found, sessions = set(), _Sessions()
        for number, call in enumerate(self._calls()):
            if not call.session:
                continue
            before = sessions.get(call.session)
            if before is not None and before.goes_on_with(call):
                found.add(before.last)
            sessions.note(call.session, _said(number, call, (), 0, None))
        return frozenset(found)

    def _calls(self) -> Iterator[Call]:
        """Of the window, and of these the share, by whole sessions; no more than are wanted."""
        start, share, left = self._file.start, self._file.share, self._workload.requests
        draw = stream(self._seed, "share").random
        for call in self._trace.calls(start, start + self._lasts * self._file.speed, self._seed):
            if left is not None and left <= 0:
                return
            lot = draw()
            if share is None or (self._lot(call.session) if call.session else lot) < share:
                left = None if left is None else left - 1
                yield call

    def _lot(self, session: str) -> float:
        """A session's own, the same for all of its requests."""
        return int.from_bytes(blake2b(f"{self._seed}/{session}".encode(), digest_size=7).digest()) / 2**56

    def _operation(self, call: Call) -> Operation:
        return call.operation or self._workload.operation

    def _sizes(self, number: int, call: Call, before: _Said | None) -> tuple[tuple[Piece, ...], int]:
        """The prompt and the tokens of the answer."""
        pieces: list[Piece] = []
        left = call.prompt_tokens
        if call.blocks:
            for block, tokens in call.blocks:
                if left > 0:
                    pieces.append(Piece(piece_id(BLOCK, 0, block), min(tokens, left)))
                left -= tokens
        elif before is not None and before.tokens < left:
            pieces += before.pieces
            left -= before.tokens
        if left > 0:
            pieces.append(Piece(piece_id(OWN, 0, number), left))
        output = 0 if self._operation(call) == "embedding" else max(call.output_tokens, 1)
        context = self._workload.context
        return (tuple(pieces), output) if context is None else fitted(pieces, output, context)

    def _leaving(self) -> Callable[[int], int | None]:
        """From the tokens of an answer to those after which its caller leaves."""
        cancel = self._workload.cancel
        if cancel is None:
            return lambda _: None
        share, after = cancel.share, law(cancel.after)
        lots, lengths = stream(self._seed, "cancel").random, stream(self._seed, "after").random

        def leaves_after(output: int) -> int | None:
            leaves, tokens = lots() < share, after(lengths())
            return min(tokens, output - 1) if leaves and output > 1 else None

        return leaves_after


def _said(number: int, call: Call, prompt: tuple[Piece, ...], output: int, before: _Said | None) -> _Said:
    """`before`: what it goes on with."""
    pieces = (*prompt, Piece(piece_id(ANSWER, 0, number), output)) if output else prompt
    return _Said(
        number if before is None else before.number,
        number,
        0 if before is None else before.turn + 1,
        pieces,
        sum(each.tokens for each in pieces),
        None if call.answer is None else call.at + call.answer,
    )


def _thought(call: Call, before: _Said | None) -> float:
    """Seconds, in the trace's time, from the answer before to this question."""
    return call.at - before.free_at if before is not None and before.free_at is not None else 0.0

"""Recorded requests again: each at its time, divided by `speed`, with its lengths, shared beginnings and session.

A session's later question waits for the answer before it and for as long as its caller thought, where the trace tells
when answers ended; else, and with `sessions: false`, it goes out at its recorded time. Where a prompt is long enough to
hold all that was said before, it begins with it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from headway.errors import UsageError
from headway.perf.traffic.draws import stream
from headway.perf.traffic.lengths import law
from headway.perf.traffic.pieces import ANSWER, BLOCK, OWN, fitted, piece_id
from headway.perf.traffic.planned import Piece, Planned, Stage
from headway.perf.traffic.trace import Call, Trace
from headway.spec.workload import TraceFile, Workload

__all__ = ["Replay"]

MOST_SESSIONS = 100_000
"""Remembered at once; one that has been silent for longest begins anew."""
LEAST_SECONDS = 0.001


@dataclass(slots=True)
class _Session:
    """`said`: the last prompt and its answer. `free_at`: in the trace's time, when that answer had ended."""

    number: int
    turn: int
    said: tuple[Piece, ...]
    tokens: int
    free_at: float | None


class Replay:
    """A Traffic."""

    def __init__(self, workload: Workload, file: TraceFile, trace: Trace, seed: int) -> None:
        self._workload, self._file, self._trace, self._seed = workload, file, trace, seed

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Reads the trace once, to its end: whoever asks learns of a line that cannot be read before anything is sent."""
        count, last = 0, 0.0
        for planned in self:
            count, last = count + 1, planned.at
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

    @property
    def _lasts(self) -> float:
        """Seconds of the run, as far as the workload bounds it."""
        told = math.inf if self._file.lasts is None else self._file.lasts / self._file.speed
        return min(told, self._workload.lasts or math.inf)

    def __iter__(self) -> Iterator[Planned]:
        sessions: OrderedDict[str, _Session] = OrderedDict()
        leaves, after = (stream(self._seed, each).random for each in ("cancel", "after"))
        cancel = self._workload.cancel
        drawn_after = law(cancel.after) if cancel else None
        most = math.inf if self._workload.requests is None else self._workload.requests
        for number, call in enumerate(self._calls()):
            if number >= most:
                return
            operation = call.operation or self._workload.operation
            output = 0 if operation == "embedding" else max(call.output_tokens, 1)
            prompt, before = self._prompt(number, call, sessions)
            if self._workload.context is not None:
                prompt, output = fitted(prompt, output, self._workload.context)
            session = self._note(number, call, prompt, output, before, sessions)
            free_at = before.free_at if before is not None and session is not None and session.turn else None
            leaving = cancel is not None and leaves() < cancel.share
            tokens = drawn_after(after()) if drawn_after is not None else 0
            yield Planned(
                number,
                (call.at - self._file.start) / self._file.speed,
                0,
                operation,
                self._file.models.get(call.model) or self._workload.model or call.model,
                prompt,
                output,
                self._workload.tenant or call.tenant,
                self._workload.adapter or "",
                session.number if session is not None else -1,
                session.turn if session is not None else 0,
                (call.at - free_at) / self._file.speed if free_at is not None else 0.0,
                self._workload.stream and operation != "embedding",
                min(tokens, output - 1) if leaving and output > 1 else None,
            )

    def of(self, stage: int) -> Iterator[Planned]:
        return iter(self) if stage == 0 else iter(())

    def _calls(self) -> Iterator[Call]:
        """Of the window, and of these the share, by whole sessions."""
        start, share = self._file.start, self._file.share
        draw = stream(self._seed, "share").random
        for call in self._trace.calls(start, start + self._lasts * self._file.speed, self._seed):
            lot = draw()
            if share is None or (self._lot(call.session) if call.session else lot) < share:
                yield call

    def _lot(self, session: str) -> float:
        """A session's own, the same for all of its requests."""
        return int.from_bytes(blake2b(f"{self._seed}/{session}".encode(), digest_size=7).digest()) / 2**56

    def _prompt(
        self, number: int, call: Call, sessions: OrderedDict[str, _Session]
    ) -> tuple[tuple[Piece, ...], _Session | None]:
        """And the session that it goes on with."""
        before = sessions.get(call.session) if call.session else None
        pieces: list[Piece] = []
        left = call.prompt_tokens
        if call.blocks:
            for block, tokens in call.blocks:
                if left > 0:
                    pieces.append(Piece(piece_id(BLOCK, 0, block), min(tokens, left)))
                left -= tokens
        elif before is not None and before.tokens < left:
            pieces += before.said
            left -= before.tokens
        if left > 0:
            pieces.append(Piece(piece_id(OWN, 0, number), left))
        return tuple(pieces), before

    def _note(
        self,
        number: int,
        call: Call,
        prompt: tuple[Piece, ...],
        output: int,
        before: _Session | None,
        sessions: OrderedDict[str, _Session],
    ) -> _Session | None:
        """None: it goes out at its recorded time, whatever became of those before it."""
        if not call.session:
            return None
        waits = self._file.sessions and before is not None and before.free_at is not None and before.free_at <= call.at
        said = (*prompt, Piece(piece_id(ANSWER, 0, number), output)) if output else prompt
        found = _Session(
            before.number if waits and before is not None else number,
            before.turn + 1 if waits and before is not None else 0,
            said,
            sum(each.tokens for each in said),
            None if call.answer is None else call.at + call.answer,
        )
        sessions[call.session] = found
        sessions.move_to_end(call.session)
        if len(sessions) > MOST_SESSIONS:
            sessions.popitem(last=False)
        return found if self._file.sessions and call.answer is not None else None

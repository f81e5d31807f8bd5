"""The life of one Replica, from wanted to gone: prepare -> place -> start -> ready -> watch -> exit -> restart policy.

One task lives it; `drain` ends that task and begins the one that ends the engine. Whatever happens is shown in `view`,
which is replaced whole at each change, and what was decided is told as a Decision.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from headway.engines.base import Engine, Need, Prepared, Progress
from headway.engines.signals import Signals, read_signals
from headway.errors import EngineError, HeadwayError, UnreachableError
from headway.paths import StateDir
from headway.policy.decision import Action, Decision, Reason
from headway.policy.placement import Placement, Refusal
from headway.policy.restart import Cause, Death, History, after, is_port_taken
from headway.sites.base import Replica, ReplicaState
from headway.sites.local import logs
from headway.sites.local.health import HOST, answers_ready, until_ready, until_unwell
from headway.sites.local.launching import Found, launch
from headway.sites.local.marks import Marks
from headway.sites.local.places import Places
from headway.sites.local.preparations import Preparations
from headway.sites.local.process import Process
from headway.sites.local.settings import LocalSettings
from headway.sites.local.wishes import wish_of
from headway.spec.revision import Revision
from headway.wire.probe import get

__all__ = ["Shared", "Supervisor"]

log = logging.getLogger(__name__)

_LINES_READ = 200
"""Lines of an engine's end in which its cause is looked for."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all Supervisors of a Site have in common."""

    state: StateDir
    settings: LocalSettings
    engines: Callable[[str], Engine]
    places: Places
    preparations: Preparations
    sharers: Callable[[], int]  # Replicas that divide the cores
    tell: Callable[[Decision], None]
    changed: Callable[[], None]
    gone: Callable[[str], None]


class Supervisor:
    def __init__(self, name: str, model: str, revision: str, shared: Shared, incarnation: int = 0) -> None:
        """`incarnation`: the number of the last start under this name; the next one counts on."""
        self.revision: Revision | None = None
        self._shared, self._settings = shared, shared.settings
        self._log = shared.state.logs / f"{name}.log"
        self._process: Process | None = None
        self._history = History()
        self._told: tuple[Action, Reason] | None = None
        self._task: asyncio.Task[None] | None = None
        self._drain_until: float | None = None
        self._hurry = asyncio.Event()
        self._ready_since: float | None = None  # loop time
        self.view = Replica(
            name,
            model,
            revision,
            ReplicaState.PREPARING,
            Reason.PREPARING,
            "waits for its turn",
            incarnation=incarnation,
            since=time.time(),
            log=str(self._log),
        )

    @property
    def is_draining(self) -> bool:
        return self._drain_until is not None

    @property
    def is_external(self) -> bool:
        return self.view.reason is Reason.EXTERNAL

    def bind(self, revision: Revision) -> None:
        """Somebody wants this Replica: from now on it is started again when it ends."""
        self.revision = revision

    def start(self) -> None:
        if self.revision and (elsewhere := self._engine().external(self.revision)):
            self._show(ReplicaState.READY, Reason.EXTERNAL, f"served by {elsewhere.base_url}", ready_at=time.time())
        else:
            self._task = asyncio.create_task(self._live(None), name=f"replica {self.view.name}")

    async def adopt(self, process: Process) -> None:
        """Take over an engine that was found running; it goes on as it is."""
        self._take(process)
        message = f"found running (pid {process.pid}); it goes on as it is"
        ready = await answers_ready(process.marks, self._settings.adopt_probe_timeout)
        if ready:
            self._ready_since = asyncio.get_running_loop().time()
        state = ReplicaState.READY if ready else ReplicaState.STARTING
        self._show(state, Reason.FOUND_RUNNING, message, ready_at=time.time() if ready else None)
        self._task = asyncio.create_task(self._live(process), name=f"replica {self.view.name}")

    def drain(self, grace: float) -> None:
        """End it; a second call can only make that sooner."""
        until = asyncio.get_running_loop().time() + grace
        if self._drain_until is not None:
            self._drain_until = min(until, self._drain_until)
            self._hurry.set()
            return
        self._drain_until = until
        self._show(ReplicaState.DRAINING, Reason.DRAINING, f"its engine has {grace:g} s to end", next_action="")
        before = self._task
        self._task = asyncio.create_task(self._end(before), name=f"drain {self.view.name}")

    async def let_go(self) -> None:
        """Stop watching; the engine goes on."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._process:
            self._process.let_go()

    # -- the life ---------------------------------------------------------------------------------------------------

    async def _live(self, process: Process | None) -> None:
        while True:
            death = await self._incarnation(process)
            process = None
            if self.revision is None:
                log.info("%s: ended, and nobody wants it", self.view.name)
                self._shared.gone(self.view.name)
                return
            await self._back_off(self.revision, death)

    async def _incarnation(self, process: Process | None) -> Death:
        try:
            return await self._attend(process or await self._start())
        except UnreachableError as error:
            death = Death(Cause.PREPARE_FAILED, str(error))
        except HeadwayError as error:
            death = Death(Cause.IMPOSSIBLE, str(error))
        except Exception as error:
            log.exception("%s: a fault of Headway's own", self.view.name)
            death = Death(Cause.IMPOSSIBLE, f"internal error: {type(error).__name__}: {error}")
        if self._process:  # never a second engine beside one that runs
            self._process.signal_group(signal.SIGKILL)
            await self._see_it_end(self._process)
            await self._clear_away(self._process)
        self._shared.places.give_back(self.view.name)
        return death

    async def _start(self) -> Process:
        if self.revision is None:
            raise EngineError(f"{self.view.name}: nobody wants it")
        revision, engine = self.revision, self._engine()
        prepared = await self._prepare(revision)
        need = engine.need(revision, prepared)
        placement = await self._place(revision, need)
        found = Found(prepared, need, placement)
        limit = self._settings.log_limit
        process = launch(engine, revision, found, self.view, self._shared.state, log_limit=limit)
        self._take(process)
        self._show(ReplicaState.STARTING, Reason.STARTING, "the engine is loading", derived=placement.why)
        return process

    async def _prepare(self, revision: Revision) -> Prepared:
        if not self._shared.preparations.is_done(revision):
            self._show(ReplicaState.PREPARING, Reason.PREPARING, f"fetching what {revision.source.uri} needs")
        try:
            return await self._shared.preparations.prepare(self._engine(), revision, self._show_progress)
        finally:
            self.view = replace(self.view, progress=None)

    async def _place(self, revision: Revision, need: Need) -> Placement:
        uses_gpus = self._engine().capabilities.gpu
        while True:
            sharers = self._shared.sharers()
            wish = wish_of(self.view.name, revision, need, engine_uses_gpus=uses_gpus, replicas=sharers)
            found = await self._shared.places.place(wish)
            self._tell_once(found.decision)
            if isinstance(found, Placement):
                return found
            self._show_refusal(found)
            await self._shared.places.freed(found.decision.look_again or self._settings.live_probe_every)

    async def _attend(self, process: Process) -> Death:
        """From a running engine to its end, whoever ends it."""
        watching = asyncio.create_task(self._watch(process.marks))
        try:
            either: list[asyncio.Future[Any]] = [process.exited, watching]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            verdict = None if process.exited.done() else watching.result()
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        if verdict:
            self._show(ReplicaState.BACKOFF, _REASONS[verdict.cause], verdict.detail)
            process.signal_group(signal.SIGKILL)
            await self._see_it_end(process)
        else:
            self._show(ReplicaState.BACKOFF, Reason.ENGINE_EXITED, "the engine ended")
        now = asyncio.get_running_loop().time()
        ready_seconds = None if self._ready_since is None else now - self._ready_since
        await self._clear_away(process)
        death = verdict or Death(Cause.EXITED, status=process.exited.result())
        return replace(death, ready_seconds=ready_seconds)

    async def _watch(self, marks: Marks) -> Death:
        """Returns when the engine runs and yet must be ended."""
        if self._ready_since is None:
            if late := await until_ready(marks, self._settings):
                return Death(Cause.START_TIMEOUT, late)
            self._now_ready(marks)
        self._shared.places.loaded(marks.replica)
        silent = await until_unwell(marks, self._settings, self._beat)
        return Death(Cause.NOT_ANSWERING, silent)

    def _now_ready(self, marks: Marks) -> None:
        now = time.time()
        took = now - (self.view.started_at or now)
        message = f"ready after {took:.1f} s"
        self._ready_since = asyncio.get_running_loop().time()
        self._show(ReplicaState.READY, Reason.READY, message, ready_at=now)
        numbers = {"start_seconds": round(took, 3), "port": marks.port, "incarnation": marks.incarnation}
        self._tell_once(Decision(self.view.name, Action.KEEP, Reason.READY, message, numbers))

    async def _beat(self) -> Signals | None:
        """What is done regularly while it is ready: read its Signals, keep its log bounded."""
        await asyncio.to_thread(logs.rotate, self._log, self._settings.log_limit)
        engine = self._engine() if self.revision else None
        if engine is None or engine.metrics_path is None:
            return None
        signals = None
        try:
            timeout = self._settings.live_probe_timeout
            answer = await get(HOST, self.view.port, engine.metrics_path, timeout=timeout)
            signals = read_signals(answer.text) if answer.status == 200 else None
        except UnreachableError:
            pass  # the health probe says what is to be said about silence
        except Exception:
            log.exception("%s: its metrics cannot be read", self.view.name)
        self.view = replace(self.view, signals=signals)
        return signals

    async def _back_off(self, revision: Revision, death: Death) -> None:
        """Tell why it ended, and wait as long as the restart policy says."""
        had_engine = death.cause not in (Cause.PREPARE_FAILED, Cause.IMPOSSIBLE)
        lines = await asyncio.to_thread(logs.lines_of_this_start, self._log, _LINES_READ) if had_engine else []
        if death.ready_seconds is None:
            death = replace(death, port_taken=is_port_taken(lines))
            self._shared.preparations.forget(revision)
        verdict = after(self.view.name, self._history, death, lines, self._settings.restart)
        self._history = verdict.history
        decision = verdict.decision
        self._tell_once(decision)
        hopeless = decision.reason is Reason.CRASH_LOOP or death.cause is Cause.IMPOSSIBLE
        when = f"; next try in {verdict.delay:g} s" if verdict.delay else ""
        self._show(
            ReplicaState.FAILED if hopeless else ReplicaState.BACKOFF,
            decision.reason,
            decision.message + when,
            next_action=f"headway logs {self.view.model}" if had_engine else "",
            restarts=self.view.restarts + had_engine,
        )
        await asyncio.sleep(verdict.delay)

    # -- the end ----------------------------------------------------------------------------------------------------

    async def _end(self, before: asyncio.Task[None] | None) -> None:
        if before:
            before.cancel()
            await asyncio.wait([before])
        if process := self._process:
            process.signal_group(signal.SIGTERM)
            await self._grace(process)
            process.signal_group(signal.SIGKILL)
            await self._see_it_end(process)
            await self._clear_away(process)
        self._shared.places.give_back(self.view.name)
        self._shared.gone(self.view.name)

    async def _grace(self, process: Process) -> None:
        """Until it has ended or its time is up, which a second `drain` may bring nearer."""
        loop = asyncio.get_running_loop()
        while not process.exited.done() and (left := (self._drain_until or 0) - loop.time()) > 0:
            self._hurry.clear()
            hurry = asyncio.create_task(self._hurry.wait())
            either: list[asyncio.Future[Any]] = [process.exited, hurry]
            try:
                await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                hurry.cancel()

    async def _see_it_end(self, process: Process) -> None:
        await asyncio.wait([process.exited], timeout=self._settings.kill_deadline)
        if not process.exited.done():
            message = f"pid {process.pid} does not end after SIGKILL: it hangs in the kernel (a driver, a disk)"
            self._show(self.view.state, Reason.NOT_ANSWERING, message, next_action="restart this machine")
            await asyncio.wait([process.exited])

    async def _clear_away(self, process: Process) -> None:
        """Nothing of this incarnation is left, and its place is free."""
        self._process = None
        await asyncio.to_thread(process.sweep)
        self._shared.places.give_back(self.view.name)

    # -- what is shown ----------------------------------------------------------------------------------------------

    def _engine(self) -> Engine:
        if self.revision is None:
            raise EngineError(f"{self.view.name}: its Revision is not known yet")
        return self._shared.engines(self.revision.engine)

    def _take(self, process: Process) -> None:
        marks = process.marks
        self._process = process
        self._ready_since = None
        self._shared.places.started(process)
        self.view = replace(
            self.view,
            incarnation=marks.incarnation,
            restarts=marks.restarts,
            host=HOST,
            port=marks.port,
            pid=process.pid,
            threads=marks.threads,
            memory_bytes=marks.memory,
            gpus=marks.gpus,
            started_at=process.started_at,
            ready_at=None,
        )

    def _show(self, state: ReplicaState, reason: Reason, message: str, **changes: Any) -> None:
        """Replace the view. What belongs to a running engine goes when the engine has."""
        since = self.view.since if state is self.view.state else time.time()
        if state not in _RUNNING:
            changes = {"pid": None, "port": 0, "ready_at": None, "signals": None} | changes
        changes = {"next_action": ""} | changes
        self.view = replace(self.view, state=state, reason=reason, message=message, since=since, **changes)
        self._shared.changed()

    def _show_progress(self, progress: Progress) -> None:
        self._show(ReplicaState.PREPARING, Reason.PREPARING, progress.label, progress=progress)

    def _show_refusal(self, refusal: Refusal) -> None:
        decision = refusal.decision
        state = ReplicaState.FAILED if refusal.never else ReplicaState.PENDING
        action = "ask for less in the file" if refusal.never else "free some: headway ls, headway down NAME"
        if (self.view.state, self.view.message) != (state, decision.message):
            self._show(state, decision.reason, decision.message, next_action=action)

    def _tell_once(self, decision: Decision) -> None:
        """A wait that is decided again and again is one Decision."""
        kind = decision.action, decision.reason
        if kind != self._told or decision.action not in (Action.WAIT, Action.REFUSE):
            self._shared.tell(decision)
        self._told = kind


_RUNNING = (ReplicaState.STARTING, ReplicaState.READY, ReplicaState.DRAINING)
_REASONS = {Cause.START_TIMEOUT: Reason.START_TIMEOUT, Cause.NOT_ANSWERING: Reason.NOT_ANSWERING}

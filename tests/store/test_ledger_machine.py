"""Budgets over many workers, many hubs and many deaths: a state machine that knows the truth beside the ledger.

At every step: what was used, plus what running requests may still use, plus what dead workers had in flight, never
exceeds the budget; the ledger never says less than the truth; once all has ended it says exactly the truth.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from headway.policy.admission import ceilings
from headway.policy.budget import AXIS_OF, Amounts, Limit
from headway.store.database import Database
from headway.store.leases import LeaseFile
from headway.store.ledger import Ledger
from headway.store.purse import Purse
from headway.store.treasury import Treasury, Worker
from tests.support.tenants import ARule

DAY = 86_400.0
MORNING = 20_000 * DAY + 3_600


SEEN = Counter[str]()  # how much of what was tried came to pass: a machine that admits nothing proves nothing
TRAFFIC = st.lists(
    st.tuples(
        st.sampled_from(["request", "request", "request", "end", "tick", "tick", "give back"]),
        st.integers(0, 3),
        st.sampled_from("ab"),
        st.integers(1, 400),
        st.floats(0, 1),
    ),
    min_size=10,
    max_size=40,
)


class HubDiedError(Exception):
    pass


class MortalFile(LeaseFile):
    """Dies when it is told to lend, after the ledger has committed."""

    dies = False

    def lend(self, section: int, slot: int, limit: Limit, mark: int) -> None:
        if MortalFile.dies:
            raise HubDiedError
        super().lend(section, slot, limit, mark)


@dataclass
class Process:
    worker: Worker
    file: LeaseFile
    purse: Purse
    running: list[tuple[str, Amounts]] = field(default_factory=list)


class Budgets(RuleBasedStateMachine):
    @initialize(
        tokens=st.integers(500, 5000),
        micros=st.integers(500, 5000),
        month=st.integers(500, 9000),
        parallel=st.integers(1, 9),
    )
    def begin(self, tokens: int, micros: int, month: int, parallel: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.now, self.monotonic = MORNING, 0.0
        self.rules = [
            ARule("a", day_tokens=tokens, month_micros=month, parallel=parallel),
            ARule("b", day_micros=micros, rpm=50, tpm=2000),
        ]
        self.limits = {each.name: ceilings(each) for each in self.rules}
        self.database = Database(self.folder / "db")
        self.database.rows("PRAGMA synchronous=OFF")  # the disk is not what is tested here
        self.ledger = Ledger(self.database)
        self.truth = {name: Amounts() for name in self.limits}  # all time
        self.yesterday = {name: Amounts() for name in self.limits}
        self.processes: list[Process] = []
        self.treasury: Treasury | None = None
        self.new_hub()
        for _ in range(2):
            self.start_worker()

    def hub(self) -> Treasury:
        assert self.treasury
        return self.treasury

    @rule()
    def new_hub(self) -> None:
        """The hub was killed; the next one takes over what is there."""
        MortalFile.dies = False
        if self.treasury:
            self.treasury.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("headway.store.treasury.LeaseFile", MortalFile)
            self.treasury = Treasury.open(self.folder / "leases", self.ledger, self.now, host="h")
        self.treasury.follow(self.rules, self.monotonic)

    @precondition(lambda self: len(self.processes) < 4)
    @rule()
    def start_worker(self) -> None:
        worker = self.hub().hire(self.now, 1)
        file = LeaseFile(self.folder / "leases")
        self.processes.append(Process(worker, file, Purse(file, worker.section)))

    @rule(steps=TRAFFIC)
    def traffic(self, steps: list[tuple[str, int, str, int, float]]) -> None:
        """A while of the ordinary: requests come and end, unused headroom goes back, the hub ticks."""
        for what, which, tenant, number, part in steps:
            if what == "tick":
                self.monotonic += 30 * part
                self.hub().tick(self.now, self.monotonic)
            elif self.processes:
                process = self.processes[which % len(self.processes)]
                if what == "request":
                    self.request(process, tenant, Amounts(1, 1, number, int(part * number)), wants=which != 3)
                elif what == "end":
                    self.end_request(process, number, part)
                else:
                    process.purse.give_back()
            self.never_over()

    @rule(steps=TRAFFIC)
    def more_traffic(self, steps: list[tuple[str, int, str, int, float]]) -> None:
        """The same again, so that most of what happens is ordinary."""
        self.traffic(steps)

    @rule(steps=TRAFFIC)
    def still_more_traffic(self, steps: list[tuple[str, int, str, int, float]]) -> None:
        self.traffic(steps)

    def request(self, process: Process, tenant: str, need: Amounts, *, wants: bool) -> None:
        purse = process.purse.tenant(tenant)
        assert purse
        missing = [c.limit for c in self.limits[tenant] if purse.headroom(c.limit) < need.on(AXIS_OF[c.limit])]
        for ceiling in self.limits[tenant]:
            amount = need.on(AXIS_OF[ceiling.limit]) if wants and ceiling.limit in missing else 0
            purse.want(ceiling.limit, amount)
        if not missing:
            purse.reserve(need)
            process.running.append((tenant, need))
            SEEN["admitted"] += 1
        else:
            SEEN["refused"] += 1

    def end_request(self, process: Process, index: int, part: float) -> None:
        if not process.running:
            return
        tenant, reserved = process.running.pop(index % len(process.running))
        tokens, micros = int(part * reserved.tokens), int(part * reserved.micros)
        purse = process.purse.tenant(tenant)
        assert purse
        purse.settle(reserved, tokens, micros)
        self.add(tenant, tokens, micros)

    def add(self, tenant: str, tokens: int, micros: int) -> None:
        before = self.truth[tenant]
        self.truth[tenant] = Amounts(0, 0, before.tokens + tokens, before.micros + micros)

    @rule()
    def hub_dies_between_ledger_and_file(self) -> None:
        MortalFile.dies = True
        with contextlib.suppress(HubDiedError):
            self.hub().tick(self.now, self.monotonic)
        self.new_hub()

    @precondition(lambda self: self.processes)
    @rule(which=st.integers(0, 3), hub_dies_too=st.booleans())
    def kill_worker(self, which: int, hub_dies_too: bool) -> None:
        process = self.processes.pop(which % len(self.processes))
        process.file.close()
        for tenant, amounts in process.running:
            self.add(tenant, amounts.tokens, amounts.micros)  # charged in full
        if hub_dies_too:
            self.new_hub()
        self.hub().bury(process.worker, self.now)

    @rule()
    def hub_dies_before_it_frees_the_section(self) -> None:
        if not self.processes:
            return
        process = self.processes.pop()
        process.file.close()
        for tenant, amounts in process.running:
            self.add(tenant, amounts.tokens, amounts.micros)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MortalFile, "free", lambda *_: None)
            self.hub().bury(process.worker, self.now)
        self.new_hub()

    @precondition(lambda self: self.now < MORNING + 5 * DAY)
    @rule()
    def a_new_day(self) -> None:
        """What is known to the ledger now is of yesterday; all later is of today."""
        self.hub().tick(self.now, self.monotonic)
        self.now += DAY
        self.yesterday = {name: Amounts(0, 0, *self.all_time(name)) for name in self.limits}

    def all_time(self, tenant: str) -> tuple[int, int]:
        """Charged in all, by the days."""
        query = "SELECT SUM(tokens), SUM(micros) FROM accounts WHERE tenant = ? AND period = 'day'"
        row = self.database.rows(query, tenant)[0]
        return row[0] or 0, row[1] or 0

    @invariant()
    def never_over(self) -> None:
        if not hasattr(self, "truth"):
            return
        for name, limits in self.limits.items():
            running = [amounts for each in self.processes for tenant, amounts in each.running if tenant == name]
            with self.ledger.books(self.now) as books:
                for each in limits:
                    promised = sum(amounts.on(AXIS_OF[each.limit]) for amounts in running)
                    if each.limit is Limit.PARALLEL:
                        assert promised <= each.size
                    if each.limit not in (Limit.DAY_TOKENS, Limit.DAY_MICROS, Limit.MONTH_MICROS):
                        continue
                    used = self.truth[name].on(AXIS_OF[each.limit])
                    if each.limit is not Limit.MONTH_MICROS:
                        used -= self.yesterday[name].on(AXIS_OF[each.limit])
                    assert used + promised <= each.size
                    assert books.spent(name, each.limit) + books.held(name, each.limit) <= each.size

    def teardown(self) -> None:
        if not hasattr(self, "truth"):
            return
        for process in self.processes:
            for tenant, reserved in process.running:
                purse = process.purse.tenant(tenant)
                assert purse
                purse.settle(reserved, 0, 0)
        self.hub().tick(self.now, self.monotonic)
        for name, truth in self.truth.items():
            assert self.all_time(name) == (truth.tokens, truth.micros), "the ledger's sum is the truth"
        self.all_returns()
        for process in list(self.processes):
            process.file.close()
            self.hub().bury(process.worker, self.now)
        with self.ledger.books(self.now) as books:
            for name, limits in self.limits.items():
                assert all(books.held(name, each.limit) == 0 for each in limits if each.limit in (3, 4, 6))
        self.hub().close()
        self.database.close()
        shutil.rmtree(self.folder)

    def all_returns(self) -> None:
        """What nobody uses can all be lent again: to one request that needs the whole rest of every budget."""
        self.now += 40 * DAY
        self.monotonic += 1000
        if not self.processes:
            self.start_worker()
        for process in self.processes:
            for name in self.limits:
                purse = process.purse.tenant(name)
                assert purse
                for limit in Limit:
                    purse.want(limit, 0)
        first = self.processes[0].purse
        for name, limits in self.limits.items():
            purse = first.tenant(name)
            assert purse
            for each in limits:
                purse.want(each.limit, each.size)
        for _ in range(3):
            self.hub().tick(self.now, self.monotonic)
            self.monotonic += 60
            for process in self.processes:
                process.purse.give_back()
        self.hub().tick(self.now, self.monotonic)
        for name, limits in self.limits.items():
            purse = first.tenant(name)
            assert purse
            assert all(purse.headroom(each.limit) >= each.size for each in limits), "a lease that was not used returns"


def test_budgets_hold_whoever_dies() -> None:
    run_state_machine_as_test(Budgets, settings=settings(max_examples=60, stateful_step_count=20))
    assert min(SEEN["admitted"], SEEN["refused"]) > 100


def test_a_hub_that_dies_again_and_again_between_ledger_and_file() -> None:
    """Each time half of the rest is lent to a worker that never hears of it: until the next hub takes it back."""
    machine = Budgets()
    machine.begin(tokens=500, micros=500, month=500, parallel=1)
    for _ in range(12):
        machine.hub_dies_between_ledger_and_file()
        machine.never_over()
    machine.teardown()

"""What is lent when a hub, a worker, a file or the whole machine is lost; and workers that are really killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys

from headway.policy.admission import NotYet, admit, ceilings
from headway.policy.budget import Amounts, Limit
from headway.store.purse import Purse
from tests.support.tenants import ARule
from tests.support.treasury import Host, use


def test_a_hub_that_is_killed_keeps_what_workers_hold(host: Host) -> None:
    host.limit(ARule(day_tokens=100, rpm=60, parallel=4))
    purse = host.worker()
    purse.want(Limit.DAY_TOKENS, 60)
    host.tick()
    purse.reserve(Amounts(1, 1, 60))
    host.restart_hub()
    purse.settle(Amounts(1, 1, 60), 40, 0)
    use(purse, 20)
    purse.want(Limit.DAY_TOKENS, 40)
    host.tick()
    assert host.tokens() == 60
    assert purse.headroom(Limit.DAY_TOKENS) == 40
    assert purse.left(Limit.RPM) <= 60


def test_a_lost_file_charges_all_that_was_lent(host: Host) -> None:
    host.limit(ARule(day_tokens=100, month_micros=500))
    purse = host.worker()
    purse.want(Limit.DAY_TOKENS, 60)
    host.tick()
    use(purse, 10)
    host.tick()
    held = purse.headroom(Limit.DAY_TOKENS)
    (host.folder / "leases").unlink()
    host.restart_hub()
    assert host.tokens() == 10 + held
    assert host.ledger.holders("h") == []
    assert host.treasury.workers() == []


def test_a_file_from_before_the_machine_went_down_is_not_believed(host: Host) -> None:
    host.limit(ARule(day_tokens=100))
    purse = host.worker()
    purse.want(Limit.DAY_TOKENS, 60)
    host.tick()
    held = purse.headroom(Limit.DAY_TOKENS)
    host.treasury.file.cells[2] = 12345  # the boot it was made in
    host.restart_hub()
    assert host.tokens() == held
    assert host.treasury.file.trusted


def test_a_worker_is_recovered_once(host: Host) -> None:
    host.limit(ARule(day_tokens=100))
    purse = host.worker()
    purse.want(Limit.DAY_TOKENS, 60)
    host.tick()
    purse.reserve(Amounts(1, 1, 30))
    (worker,) = host.treasury.workers()
    host.treasury.bury(worker, host.now)
    with host.ledger.books(host.now) as books:
        books.recover(worker.id, {"team": (Amounts(1, 0, 30, 0), Amounts())})
        books.recover(worker.id, None)
        assert books.held("team", Limit.DAY_TOKENS) == 0
        assert books.lease("team", worker.id, Limit.DAY_TOKENS, 100, 10) == (0, 0), "it holds nothing any more"
    assert host.tokens() == 30


def test_another_host_is_left_alone(host: Host) -> None:
    with host.ledger.books(host.now) as books:
        books.enlist("elsewhere:1", "elsewhere")
        assert books.lease("team", "elsewhere:1", Limit.DAY_TOKENS, 100, 70)[0] == 70
    host.restart_hub()
    host.limit(ARule(day_tokens=100))
    purse = host.worker()
    purse.want(Limit.DAY_TOKENS, 40)
    host.tick(2)
    assert purse.headroom(Limit.DAY_TOKENS) <= 30, "both lend of the same budget"


def test_who_comes_before_the_hub_has_looked_waits_and_is_not_refused(host: Host) -> None:
    """After a start, after a worker's death, and when a limit is new."""
    rule = ARule(rpm=600, day_tokens=1000)
    host.limit(rule)
    fresh, need = host.worker(), Amounts(1, 1, 10, 0)
    assert isinstance(admit(rule, ceilings(rule), need, fresh, host.now), NotYet)
    host.tick()
    assert admit(rule, ceilings(rule), need, fresh, host.now) is None
    successor = host.worker()
    assert isinstance(admit(rule, ceilings(rule), need, successor, host.now), NotYet)
    more = ARule(rpm=600, day_tokens=1000, parallel=30)
    host.limit(more)
    assert isinstance(admit(more, ceilings(more), need, fresh, host.now), NotYet)
    host.limit(more, ARule("late", rpm=5))
    late = Purse(host.files[0], 0).tenant("late")
    assert late
    assert isinstance(admit(more, ceilings(ARule("late", rpm=5)), need, late, host.now), NotYet)
    host.tick()
    for purse in (fresh, successor):
        assert admit(more, ceilings(more), need, purse, host.now) is None
    assert {(each.tenant, each.limit): each.left for each in host.treasury.standing()}["late", Limit.RPM] == 5


WORKER = """
import sys
from pathlib import Path
from headway.policy.budget import Amounts, Limit
from headway.store.leases import LeaseFile
from headway.store.purse import Purse

path, section, out = Path(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3], "ab", buffering=0)
purse = Purse(LeaseFile(path), section).tenant("team")
need = Amounts(1, 1, 30)
print("up", flush=True)
while True:
    purse.give_back()
    if purse.headroom(Limit.DAY_TOKENS) < 30:
        purse.want(Limit.DAY_TOKENS, 30)
        continue
    purse.reserve(need)
    out.write(b"s")           # the engine was asked
    out.write(b"e")           # and has answered with 20 tokens
    purse.settle(need, 20, 0)
"""


def test_workers_that_are_killed_at_any_moment_never_overspend_and_never_underpay(host: Host) -> None:
    """40 kills at random moments. Each request asks for 30 and uses 20; the one in flight at a kill is charged in full,
    whether it was sent or not, so each kill may cost 30 and never less than what was sent."""
    budget, kills = 1_000_000, 40
    chance = random.Random(7)  # noqa: S311
    host.limit(ARule(day_tokens=budget))
    log = host.folder / "engine"
    processes: list[tuple[subprocess.Popen[str], int]] = []

    def start() -> None:
        worker = host.treasury.hire(host.now)
        argv = [sys.executable, "-c", WORKER, str(host.folder / "leases"), str(worker.section), str(log)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        host.treasury.file.name_pid(worker.section, process.pid)
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        processes.append((process, worker.section))

    def kill() -> None:
        process, section = processes.pop(chance.randrange(len(processes)))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout
        process.stdout.close()
        (dead,) = [each for each in host.treasury.workers() if each.section == section]
        assert dead.pid == process.pid
        host.treasury.bury(dead, host.now)

    start()
    start()
    try:
        for _ in range(kills):
            for _ in range(chance.randint(1, 5)):
                host.tick()
                with host.ledger.books(host.now) as books:
                    assert books.spent("team", Limit.DAY_TOKENS) + books.held("team", Limit.DAY_TOKENS) <= budget
            if chance.random() < 0.2:
                host.restart_hub()
            kill()
            start()
    finally:
        while processes:
            kill()
    sent, answered = log.read_bytes().count(b"s"), log.read_bytes().count(b"e")
    assert answered > kills
    assert sent - answered <= kills + 2
    charged = host.tokens()
    assert 20 * answered + 30 * (sent - answered) <= charged <= 20 * answered + 30 * (kills + 2)
    assert charged <= budget
    with host.ledger.books(host.now) as books:
        assert books.held("team", Limit.DAY_TOKENS) == 0

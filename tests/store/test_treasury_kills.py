"""Leases when workers are really killed, at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys

from headway.policy.budget import Limit
from tests.support.host import Host
from tests.support.tenants import ARule

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

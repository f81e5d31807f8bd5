"""Leases between a hub and its workers, one case at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.errors import ResourceError
from headway.policy.admission import NotYet, Refused, Why, admit, ceilings
from headway.policy.budget import Amounts, Limit
from headway.store.leases import SECTIONS, LeaseFile
from headway.store.ledger import Account, Ask
from headway.store.purse import Purse, TenantPurse
from tests.support.host import Host
from tests.support.tenants import ARule

DAY = 86_400.0


def use(purse: TenantPurse, tokens: int, reserved: int | None = None, micros: int = 0) -> None:
    amounts = Amounts(1, 1, tokens if reserved is None else reserved, micros)
    purse.reserve(amounts)
    purse.settle(amounts, tokens, micros)


def test_what_is_used_stands_in_the_accounts_with_and_without_a_budget(host: Host) -> None:
    host.limit(ARule(), ARule("other", month_tokens=50))
    free, other = host.worker(), host.worker("other")
    use(free, 100, micros=7)
    use(free, 20)
    host.tick()
    assert host.ledger.accounts(host.now, "team") == [
        Account("team", "day", "2026-11-21", 2, 120, 7),
        Account("team", "month", "2026-11-01", 2, 120, 7),
    ]
    use(other, 5)
    host.tick(2)
    assert host.ledger.accounts(host.now, "other")[1].token_limit == 50
    assert [each.tenant for each in host.ledger.accounts(host.now)] == ["other", "other", "team", "team"]


def test_the_last_tokens_are_still_usable(host: Host) -> None:
    """Four workers, a budget of 100: whoever wants, one request at a time, uses it to the last token."""
    host.limit(ARule(day_tokens=100))
    workers = [host.worker() for _ in range(4)]
    used = 0
    for turn in range(100):
        purse = workers[turn % 4]
        purse.want(Limit.DAY_TOKENS, 1)
        for _ in range(3):
            host.tick()
            [each.give_back() for each in workers]
        assert purse.headroom(Limit.DAY_TOKENS) >= 1
        purse.want(Limit.DAY_TOKENS, 0)
        use(purse, 1)
        used += 1
    host.tick(2)
    assert (used, host.tokens()) == (100, 100)
    assert [each.headroom(Limit.DAY_TOKENS) for each in workers] == [0, 0, 0, 0]
    assert workers[0].unspent(Limit.DAY_TOKENS) == 0


def test_one_large_need_is_collected_from_all(host: Host) -> None:
    host.limit(ARule(day_tokens=1000))
    workers = [host.worker() for _ in range(5)]
    host.tick(3)
    assert all(each.headroom(Limit.DAY_TOKENS) > 0 for each in workers)
    workers[2].want(Limit.DAY_TOKENS, 1000)
    host.tick()
    assert sum(each.give_back() for each in workers) >= 1
    host.tick()
    assert workers[2].headroom(Limit.DAY_TOKENS) == 1000


def test_what_is_promised_meanwhile_is_not_given_back(host: Host) -> None:
    """The hub asks for what lay idle; before the worker hears of it, a request takes most of that."""
    host.limit(ARule(day_tokens=1000))
    idle, other = host.worker(), host.worker()
    idle.want(Limit.DAY_TOKENS, 800)
    host.tick()
    idle.want(Limit.DAY_TOKENS, 0)
    other.want(Limit.DAY_TOKENS, 900)
    host.tick()
    held = idle.headroom(Limit.DAY_TOKENS)
    idle.reserve(Amounts(1, 1, held - 30))
    assert idle.give_back()
    assert idle.headroom(Limit.DAY_TOKENS) == 0
    assert not idle.give_back()
    host.tick(2)
    assert other.headroom(Limit.DAY_TOKENS) + held - 30 <= 1000
    assert other.headroom(Limit.DAY_TOKENS) < 900, "it waits on, until the other has ended"
    idle.settle(Amounts(1, 1, held - 30), 10, 0)
    for _ in range(3):
        idle.give_back()
        host.tick()
    assert other.headroom(Limit.DAY_TOKENS) >= 900


def test_far_from_the_limit_nobody_waits_for_the_hub(host: Host) -> None:
    host.limit(ARule(day_tokens=10**9))
    workers = [host.worker() for _ in range(8)]
    host.tick()
    assert all(each.headroom(Limit.DAY_TOKENS) > 5 * 10**6 for each in workers)


def test_a_new_day_begins_with_what_is_held(host: Host) -> None:
    host.limit(ARule(day_tokens=100, month_tokens=150))
    purse = host.worker()
    purse.want(Limit.DAY_TOKENS, 80)
    purse.want(Limit.MONTH_TOKENS, 80)
    host.tick()
    purse.reserve(Amounts(1, 1, 80))
    host.now += DAY
    purse.settle(Amounts(1, 1, 80), 80, 0)
    host.tick()
    assert host.tokens() == 80, "it counts for the day in which it is settled"
    host.now += DAY
    host.tick()
    assert host.tokens() == 0
    assert host.tokens(period="month") == 80
    purse.want(Limit.DAY_TOKENS, 100)
    purse.want(Limit.MONTH_TOKENS, 100)
    host.tick()
    assert purse.headroom(Limit.DAY_TOKENS) >= 100
    assert purse.headroom(Limit.MONTH_TOKENS) < 100
    refused = admit(host.rules[0], ceilings(host.rules[0]), Amounts(1, 1, 100), purse, host.now)
    assert isinstance(refused, Refused)
    assert refused.message == (
        "tenant team has a budget of 150 tokens a month: 70 tokens are left, this request may need 100 tokens; "
        "a new month begins in 182 h"
    )


def test_more_than_was_reserved_is_charged_all_the_same(host: Host) -> None:
    host.limit(ARule(day_tokens=100))
    purse = host.worker()
    purse.want(Limit.DAY_TOKENS, 50)
    host.tick()
    use(purse, 90, reserved=50)
    purse.want(Limit.DAY_TOKENS, 10)
    host.tick()
    assert host.tokens() == 90
    assert purse.headroom(Limit.DAY_TOKENS) == 10, "the debt was charged; what is left can be lent"
    use(purse, 30, reserved=10)
    host.tick()
    assert host.tokens() == 120, "over the budget by what the engine did beyond its order, and said so"
    purse.want(Limit.DAY_TOKENS, 1)
    host.tick(3)
    assert purse.headroom(Limit.DAY_TOKENS) <= 0


def test_a_lowered_budget_takes_back_what_is_unused(host: Host) -> None:
    host.limit(ARule(day_tokens=1000))
    purse = host.worker()
    purse.want(Limit.DAY_TOKENS, 600)
    host.tick()
    purse.want(Limit.DAY_TOKENS, 0)
    use(purse, 100)
    host.limit(ARule(day_tokens=150))
    host.tick()
    assert purse.give_back()
    host.tick()
    assert purse.headroom(Limit.DAY_TOKENS) <= 50
    assert purse.unspent(Limit.DAY_TOKENS) == 50


def test_a_budget_that_comes_later_or_changes_its_unit(host: Host) -> None:
    host.limit(ARule())
    purse = host.worker()
    use(purse, 5000, micros=70)
    host.tick()
    host.limit(ARule(day_tokens=6000))
    purse.want(Limit.DAY_TOKENS, 1000)
    host.tick()
    assert purse.headroom(Limit.DAY_TOKENS) == 1000, "what was used before counts"
    purse.want(Limit.DAY_TOKENS, 0)
    assert purse.headroom(Limit.DAY_MICROS) < 0, "nothing of another unit was ever lent"
    host.limit(ARule(day_micros=100))
    purse.want(Limit.DAY_MICROS, 30)
    host.tick()
    assert purse.headroom(Limit.DAY_MICROS) == 30


def test_a_burst_of_a_minute_then_the_rate(host: Host) -> None:
    """Two workers, 60 requests a minute: 60 at once, then one a second, for both together."""
    host.limit(ARule(rpm=60))
    workers = [host.worker(), host.worker()]

    def seconds(count: int) -> int:
        admitted = 0
        for _ in range(count):
            host.monotonic += 1
            for purse in workers:
                purse.want(Limit.RPM, 1)
            host.tick()
            for purse in workers:
                while purse.headroom(Limit.RPM) > 0:
                    use(purse, 1)
                    admitted += 1
        return admitted

    assert 60 <= seconds(10) <= 70
    assert 58 <= seconds(60) <= 62
    host.monotonic += 3600
    assert 60 <= seconds(10) <= 70, "a pause saves up one minute, not sixty"


def test_tokens_a_minute_count_what_was_used_not_what_was_reserved(host: Host) -> None:
    host.limit(ARule(tpm=1000))
    purse = host.worker()
    for _ in range(9):
        purse.want(Limit.TPM, 900)
        host.tick()
        assert purse.headroom(Limit.TPM) >= 900
        use(purse, 10, reserved=900)
    assert purse.left(Limit.TPM) <= 1000


def test_a_small_parallel_limit_wanders_between_workers(host: Host) -> None:
    host.limit(ARule(parallel=1))
    one, two = host.worker(), host.worker()
    running = Amounts(1, 1, 0)
    one.want(Limit.PARALLEL, 1)
    host.tick()
    one.reserve(running)
    one.want(Limit.PARALLEL, 0)
    two.want(Limit.PARALLEL, 1)
    host.tick(3)
    assert two.headroom(Limit.PARALLEL) == 0
    told = admit(host.rules[0], ceilings(host.rules[0]), running, two, host.now)
    assert isinstance(told, Refused)
    assert (told.why, told.status, told.retry_after) == (Why.PARALLEL, 429, 1.0)
    one.settle(running, 0, 0)
    host.tick()
    assert one.give_back()
    assert admit(host.rules[0], ceilings(host.rules[0]), running, two, host.now) == NotYet(Limit.PARALLEL, 1)
    host.tick()
    assert two.headroom(Limit.PARALLEL) == 1


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


def test_a_lost_file_charges_all_that_was_lent(own: Host) -> None:
    own.limit(ARule(day_tokens=100, month_micros=500))
    purse = own.worker()
    purse.want(Limit.DAY_TOKENS, 60)
    own.tick()
    use(purse, 10)
    own.tick()
    held = purse.headroom(Limit.DAY_TOKENS)
    (own.folder / "leases").unlink()
    own.restart_hub()
    assert own.tokens() == 10 + held
    assert own.ledger.holders("h") == []
    assert own.treasury.workers() == []


def test_a_file_from_before_the_machine_went_down_is_not_believed(own: Host) -> None:
    own.limit(ARule(day_tokens=100))
    purse = own.worker()
    purse.want(Limit.DAY_TOKENS, 60)
    own.tick()
    held = purse.headroom(Limit.DAY_TOKENS)
    own.treasury.file.cells[2] = 12345  # the boot it was made in
    own.restart_hub()
    assert own.tokens() == held
    assert own.treasury.file.trusted


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
        assert books.lease([Ask("team", worker.id, Limit.DAY_TOKENS, 100, 10)]) == [(0, 0)], "it holds nothing any more"
    assert host.tokens() == 30


def test_another_host_is_left_alone(host: Host) -> None:
    with host.ledger.books(host.now) as books:
        books.enlist("elsewhere:1", "elsewhere")
        assert books.lease([Ask("team", "elsewhere:1", Limit.DAY_TOKENS, 100, 70)])[0][0] == 70
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


def test_sections_are_used_again_and_bounded(host: Host) -> None:
    host.limit(ARule(day_tokens=1000))
    first = host.worker()
    use(first, 5)
    host.treasury.bury(host.treasury.workers()[0], host.now)
    again = host.worker()
    assert host.treasury.workers()[0].section == 0
    use(again, 7)
    host.tick()
    assert host.tokens() == 12
    for _ in range(SECTIONS - 1):
        host.treasury.hire(host.now)
    with pytest.raises(ResourceError, match="more than 128 workers"):
        host.treasury.hire(host.now)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 100)
    with pytest.raises(ResourceError, match="cannot be opened as a lease file"):
        LeaseFile(tmp_path / "x")
    with pytest.raises(ResourceError):
        LeaseFile(tmp_path / "missing")


def test_an_idle_tenant_costs_the_disk_nothing(own: Host) -> None:
    own.limit(ARule(day_tokens=1000))
    own.worker()
    own.tick(3)
    before = own.database.rows("PRAGMA data_version")[0][0], (own.folder / "db-wal").stat().st_size
    own.tick(50)
    assert (own.database.rows("PRAGMA data_version")[0][0], (own.folder / "db-wal").stat().st_size) == before

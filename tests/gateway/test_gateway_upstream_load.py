"""What an endpoint is believed to have before it, when several workers of a host send there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from headway.gateway.board import Board
from headway.gateway.catalog import Catalog
from headway.gateway.settings import Settings
from headway.gateway.table import Endpoint, ModelRoute, RoutingTable
from headway.gateway.timers import Wheel
from headway.gateway.upstream import Upstream
from headway.policy.prefix import PrefixIndex
from headway.policy.routing import Stay

TABLE = RoutingTable(1, (ModelRoute("chat", "chat", (Endpoint("a.1", "a", "r1", "http://127.0.0.1:9"),)),))


class Time:
    """As much of an event loop as counts: its time."""

    now = 100.0

    def time(self) -> float:
        return self.now


def worker(board: Board, number: int, clock: Time) -> Catalog:
    wheel = Wheel(cast("Any", clock), 0.02)
    catalog = Catalog(Settings(), wheel, board.sections, number, PrefixIndex())
    assert catalog.apply(TABLE, {"a.1": 3}) == []
    return catalog


def only(catalog: Catalog) -> Upstream:
    return catalog.routes["chat"].upstreams[0]


def test_all_workers_see_work_wear_off_and_how_often_it_is_asked(tmp_path: Path) -> None:
    board, clock = Board.create(tmp_path / "board", 2), Time()
    one, two = worker(board, 0, clock), worker(board, 1, clock)
    mine, theirs = only(one), only(two)
    speed = theirs.speed.prefill
    stay = Stay(mine, 4000.0, 4000.0, clock.now, adapter="")
    two.look(clock.now)
    assert theirs.ahead(clock.now) == 4000
    clock.now += 1000 * speed
    assert theirs.ahead(clock.now) == mine.ahead(clock.now) == pytest.approx(3000)
    later = Stay(mine, 500.0, 500.0, clock.now, adapter="")
    two.look(clock.now)
    assert theirs.ahead(clock.now) == pytest.approx(3500)
    clock.now += 2000 * speed
    stay.first_token(clock.now)
    two.look(clock.now)
    assert theirs.ahead(clock.now) == mine.ahead(clock.now) == 500, "the first is whole: the second begins"
    assert theirs.every == mine.every < 1.0
    clock.now += 0.001  # a worker looks once in each turn of its loop
    later.leave()
    two.look(clock.now)
    assert theirs.ahead(clock.now) == mine.ahead(clock.now) == 0
    board.close()

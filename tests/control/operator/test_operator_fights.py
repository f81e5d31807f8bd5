"""Another writer that does not give in is put right ever more seldom, and named."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from headway.control.operator import operator as module
from headway.control.operator.conditions import Condition
from headway.control.operator.figures import Figures
from headway.control.operator.operator import Operator
from headway.control.operator.plan import Apply, Plan
from headway.control.operator.settings import OperatorSettings
from headway.policy.decision import Reason
from headway.sites.kubernetes.observe import Served

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat", "namespace": "team"}}


@pytest.fixture
async def operator() -> Operator:
    return Operator(None, Served((1, 36), frozenset()), OperatorSettings("one"), Figures())  # type: ignore[arg-type]


async def test_a_fight_gets_slower_and_is_told(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    plan = Plan(
        apply=(Apply(SERVICE, "somebody changed spec.ports", repairs=True),),
        conditions=(Condition("Degraded", False, Reason.AS_WANTED),),
    )
    made = []
    for _ in range(600):
        now[0] += 1.0
        kept = operator._patient(plan)
        if kept.apply:
            made.append(now[0])
        else:
            assert kept.conditions[0].reason is Reason.CONTESTED
            assert "Service chat: somebody changed spec.ports" in kept.conditions[0].message
            assert kept.look_again is not None
            assert 0 < kept.look_again <= 600
    pauses = [later - earlier for earlier, later in pairwise(made)]
    assert pauses[:2] == [1.0, 1.0]
    assert pauses[2:] == sorted(pauses[2:])
    assert len(made) < 10


async def test_what_is_new_or_wished_otherwise_never_waits(operator: Operator) -> None:
    plan = Plan(apply=(Apply(SERVICE, "the Model changed"),))
    kept: list[Any] = [operator._patient(plan) for _ in range(50)]
    assert all(each.apply for each in kept)

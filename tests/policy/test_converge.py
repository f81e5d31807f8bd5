"""The convergence policy: what starts, what leaves, and that ready capacity never falls by our own doing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headway.policy.converge import Facts, Plan, Want, decide
from headway.policy.decision import Action, Reason


def facts(name: str, revision: str = "r1", *, ready: bool = True, running: int = 0, **more: object) -> Facts:
    return Facts(name=name, model="chat", revision=revision, ready=ready, running=running, **more)  # type: ignore[arg-type]


def plan(count: int, *replicas: Facts, revision: str = "r1") -> Plan:
    return decide([Want("chat", revision, count)], replicas)


def test_nothing_runs_yet() -> None:
    found = plan(2)
    assert found.ensure == (Want("chat", "r1", 2),)
    assert [(each.action, each.reason) for each in found.decisions] == [(Action.START, Reason.TOO_FEW_REPLICAS)]
    assert found.drain == ()


def test_as_wanted_decides_nothing() -> None:
    found = plan(2, facts("a"), facts("b", ready=False))
    assert found.decisions == ()
    assert found.drain == ()


def test_too_many_the_unready_then_the_idle_then_the_youngest_leave() -> None:
    busy, idle_old = facts("busy", running=3), facts("idle-old", started=1.0)
    idle_young, unready = facts("idle-young", started=2.0), facts("unready", ready=False, running=9)
    everyone = (busy, idle_old, idle_young, unready)
    assert plan(3, *everyone).drain == ("unready",)
    assert plan(2, *everyone).drain == ("unready", "idle-young")
    assert plan(1, *everyone).drain == ("unready", "idle-young", "idle-old")
    assert plan(0, *everyone).drain == ("unready", "idle-young", "idle-old", "busy")


def test_a_model_nobody_wants_leaves() -> None:
    found = decide([], [facts("a"), facts("b", ready=False)])
    assert found.drain == ("a", "b")
    assert {each.reason for each in found.decisions} == {Reason.NOT_WANTED}


def test_old_revision_stays_until_the_new_one_is_ready() -> None:
    old = [facts("old-0"), facts("old-1")]
    first = plan(2, *old, revision="r2")
    assert [each.reason for each in first.decisions] == [Reason.NEW_REVISION]
    loading = [facts("new-0", "r2", ready=False), facts("new-1", "r2", ready=False)]
    assert plan(2, *old, *loading, revision="r2").drain == ()
    half = [facts("new-0", "r2"), facts("new-1", "r2", ready=False)]
    assert len(plan(2, *old, *half, revision="r2").drain) == 1
    whole = [facts("new-0", "r2"), facts("new-1", "r2")]
    assert plan(2, *old, *whole, revision="r2").drain == ("old-0", "old-1")


def test_an_old_replica_that_does_not_answer_leaves_at_once() -> None:
    new = facts("new-0", "r2", ready=False)
    assert plan(1, facts("old-0", ready=False), new, revision="r2").drain == ("old-0",)


def test_the_old_make_room_one_at_a_time_when_the_new_wait_for_it() -> None:
    old = [facts("old-0", running=2), facts("old-1")]
    waiting = facts("new-0", "r2", ready=False, waits_for_room=True)
    found = plan(2, *old, waiting, revision="r2")
    assert found.drain == ("old-1",)
    assert "makes room" in found.decisions[-1].message


def test_what_is_leaving_counts_for_nothing() -> None:
    found = plan(1, facts("a", leaving=True))
    assert found.drain == ()
    assert [each.action for each in found.decisions] == [Action.START]


replicas = st.lists(
    st.builds(
        Facts,
        name=st.uuids().map(str),
        model=st.sampled_from(["chat", "other"]),
        revision=st.sampled_from(["r1", "r2"]),
        ready=st.booleans(),
        leaving=st.booleans(),
        running=st.integers(0, 5),
    ),
    max_size=12,
    unique_by=lambda each: each.name,
)


@given(replicas, st.integers(0, 5))
def test_ready_capacity_never_falls_below_what_is_wanted_by_our_doing(present: list[Facts], count: int) -> None:
    found = decide([Want("chat", "r2", count)], present)
    stays = [each for each in present if each.name not in found.drain and not each.leaving and each.model == "chat"]
    before = sum(each.ready for each in present if not each.leaving and each.model == "chat")
    assert sum(each.ready for each in stays) >= min(before, count)
    assert sum(each.revision == "r2" for each in stays) <= max(count, 0), (
        "never more of the wanted revision than are wanted"
    )


@given(replicas, st.integers(0, 4))
def test_it_comes_to_rest(present: list[Facts], count: int) -> None:
    """Applying the plan until nothing is decided ends, at exactly what is wanted."""
    world = [each for each in present if not each.leaving]
    for step in range(20):
        found = decide([Want("chat", "r2", count)], world)
        if not found.decisions and all(each.ready for each in world):
            break
        world = [each for each in world if each.name not in found.drain]
        missing = count - sum(each.revision == "r2" for each in world)
        world += [Facts(f"new-{step}-{n}", "chat", "r2", ready=True) for n in range(missing)]
        world = [Facts(each.name, each.model, each.revision, True, False, each.running) for each in world]
    assert sorted(each.revision for each in world) == ["r2"] * count

"""Replicas that a cluster gives up all together, and that answer."""

from __future__ import annotations

from dataclasses import replace

from headway.control.cluster.doubt import Doubt, answers
from headway.policy.decision import Reason
from headway.sites.base import Replica, ReplicaState
from tests.support.gateway import ScriptedEngine
from tests.support.gateway import answers as says

READY, UNREADY, LEAVING = ReplicaState.READY, ReplicaState.STARTING, ReplicaState.DRAINING
PATHS = {"chat": "/health"}


def replica(name: str, state: ReplicaState = READY, model: str = "chat") -> Replica:
    return Replica(name, model, "r1", state, Reason.READY, "", host="127.0.0.1", port=1)


class Asked:
    """Answers for those that live."""

    def __init__(self, *alive: str) -> None:
        self.alive, self.asked = set(alive), 0

    async def __call__(self, one: Replica, path: str) -> bool:
        assert path == "/health"
        self.asked += 1
        return one.name in self.alive


async def ready(doubt: Doubt, *replicas: Replica, now: float = 0.0) -> set[str]:
    return {each.name for each in await doubt.settled(replicas, PATHS, now) if each.state is READY}


async def test_those_that_answer_stay_when_all_are_given_up_together() -> None:
    asked = Asked("a", "b")
    doubt = Doubt(asked)
    assert await ready(doubt, replica("a"), replica("b"), replica("c")) == {"a", "b", "c"}
    assert asked.asked == 0
    gone = [replica(name, UNREADY) for name in "abc"]
    for _ in range(3):  # for as long as it lasts
        assert await ready(doubt, *gone) == {"a", "b"}
    asked.alive.discard("b")
    assert await ready(doubt, *gone) == {"a"}
    assert await ready(doubt, replica("c"), *gone[:2]) == {"c"}  # the cluster is believed again


async def test_the_cluster_is_believed_of_one_among_others_and_of_those_that_leave_or_never_came() -> None:
    doubt = Doubt(asked := Asked("a", "b", "new"))
    await ready(doubt, replica("a"), replica("b"))
    assert await ready(doubt, replica("a"), replica("b", UNREADY), now=1.0) == {"a"}
    assert await ready(doubt, replica("a", LEAVING), replica("new", UNREADY), now=2.0) == set()
    assert asked.asked == 0


async def test_those_that_are_given_up_one_after_the_other_are_remembered_for_a_moment() -> None:
    doubt = Doubt(Asked("a", "b"))
    await ready(doubt, replica("a"), replica("b"))
    assert await ready(doubt, replica("a"), replica("b", UNREADY), now=1.0) == {"a"}
    assert await ready(doubt, replica("a", UNREADY), replica("b", UNREADY), now=2.0) == {"a", "b"}
    await ready(doubt, replica("a"), replica("b", UNREADY), now=3.0)
    await ready(doubt, replica("a"), replica("b", UNREADY), now=200.0)
    assert await ready(doubt, replica("a", UNREADY), replica("b", UNREADY), now=201.0) == {"a"}


async def test_one_made_anew_under_the_name_is_not_the_one_that_was_used() -> None:
    doubt = Doubt(Asked("a"))
    await ready(doubt, replica("a"))
    assert await ready(doubt, replace(replica("a", UNREADY), incarnation=7)) == set()


async def test_a_replica_says_of_itself_whether_it_is_ready() -> None:
    engine = await ScriptedEngine(says(b"{}"), says(b"{}", 503)).start()
    try:
        one = replace(replica("a"), port=engine.port)
        assert [await answers(one, "/health"), await answers(one, "/health")] == [True, False]
    finally:
        await engine.stop()
    assert not await answers(one, "/health")

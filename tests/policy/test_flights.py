"""Equal requests: one leads, and none waits for one that is gone."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from headway.policy.flights import Flights


def test_one_leads_and_the_others_wait_for_it() -> None:
    flights: Flights[str] = Flights(2)
    assert [flights.join(b"k", who, waits=True) for who in "abcd"] == ["lead", "wait", "wait", "go"]
    assert flights.join(b"k", "e", waits=False) == "go"
    assert flights.join(b"other", "f", waits=True) == "lead"
    assert flights.land("a") == ["b", "c"]
    assert flights.join(b"k", "g", waits=True) == "lead"
    assert flights.land("d") == [], "who led nothing brings nothing"


def test_when_the_leader_is_gone_the_next_one_leads() -> None:
    flights: Flights[str] = Flights(9)
    for who in "abcd":
        flights.join(b"k", who, waits=True)
    assert flights.leave("b") is None
    assert flights.leave("a") == "c"
    assert flights.land("c") == ["d"]
    assert flights.leave("c") is None
    assert len(flights) == 0
    assert not flights.everyone()


@settings(max_examples=60, stateful_step_count=40)
class Anyhow(RuleBasedStateMachine):
    """Whatever comes in whatever order: each flight has one leader, and everybody is let go in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.flights: Flights[int] = Flights(3)
        self.leads: dict[bytes, int] = {}
        self.waits: dict[int, bytes] = {}
        self.next = 0

    @rule(key=st.sampled_from([b"a", b"b"]), waits=st.booleans())
    def come(self, key: bytes, waits: bool) -> None:
        self.next += 1
        role = self.flights.join(key, self.next, waits=waits)
        if role == "lead":
            assert key not in self.leads
            self.leads[key] = self.next
        elif role == "wait":
            assert key in self.leads
            assert waits
            self.waits[self.next] = key
        else:
            assert not waits or sum(each == key for each in self.waits.values()) == 3

    @precondition(lambda self: self.leads)
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.leads)))
        waiting = self.flights.land(self.leads.pop(key))
        assert waiting == [who for who, each in self.waits.items() if each == key]
        self.waits = {who: each for who, each in self.waits.items() if each != key}

    @precondition(lambda self: self.leads or self.waits)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted([*self.leads.values(), *self.waits])))
        heir = self.flights.leave(who)
        if who in self.waits:
            del self.waits[who]
            assert heir is None
            return
        key = next(key for key, leader in self.leads.items() if leader == who)
        queue = [each for each, other in self.waits.items() if other == key]
        assert heir == (queue[0] if queue else None)
        if heir is None:
            del self.leads[key]
        else:
            self.leads[key] = heir
            del self.waits[heir]

    @invariant()
    def everybody_is_known(self) -> None:
        assert set(self.flights.everyone()) == set(self.leads.values()) | set(self.waits)


TestAnyhow = Anyhow.TestCase

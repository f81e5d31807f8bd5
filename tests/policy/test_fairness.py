"""The fair queue: strict between classes, the VTC bound within one, positions that come true, floods."""

from __future__ import annotations

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.policy.fairness import PRIORITIES, FairQueue
from headway.policy.vtc import CREDIT, INPUT_WEIGHT, OUTPUT_WEIGHT

TENANTS = ("a", "b", "c", "d")
PUSHES = st.lists(
    st.tuples(
        st.sampled_from(TENANTS),
        st.sampled_from(PRIORITIES),
        st.integers(0, 500),
        st.sampled_from([0.5, 1.0, 3.0]),
    ),
    max_size=40,
)


def unbounded() -> FairQueue[int]:
    return FairQueue(10**6, 10**12)


def pop_all(queue: FairQueue[int]) -> list[int]:
    popped = []
    while (item := queue.pop()) is not None:
        popped.append(item)
    return popped


@given(PUSHES, st.lists(st.tuples(st.integers(0, 39), st.integers(0, 300)), max_size=20))
def test_positions_come_true(pushes: list[tuple[str, str, int, float]], events: list[tuple[int, int]]) -> None:
    queue, weights = unbounded(), {"a": 1.0, "b": 2.0, "c": 0.5, "d": 1.0}
    for number, (tenant, priority, cost, _) in enumerate(pushes):
        assert queue.push(number, tenant, priority=priority, cost=cost, weight=weights[tenant]) == []
    for number, tokens in events:  # some leave, some were served meanwhile
        queue.remove(number) if tokens % 2 else queue.charge(TENANTS[number % 4], tokens, weight=weights["a"])
    waiting = [number for number in range(len(pushes)) if queue.position(number) is not None]
    positions = {number: queue.position(number) for number in waiting}
    assert pop_all(queue) == sorted(waiting, key=lambda each: positions[each] or 0)
    assert sorted(positions.values(), key=lambda each: each or 0) == list(range(len(waiting)))


@given(PUSHES)
def test_strict_between_classes_and_fifo_within_a_tenant(pushes: list[tuple[str, str, int, float]]) -> None:
    queue = unbounded()
    for number, (tenant, priority, cost, weight) in enumerate(pushes):
        queue.push(number, tenant, priority=priority, cost=cost, weight=weight)
    popped = pop_all(queue)
    ranks = [PRIORITIES.index(pushes[each][1]) for each in popped]
    assert ranks == sorted(ranks)
    for tenant in TENANTS:
        for priority in PRIORITIES:
            mine = [each for each in popped if pushes[each][:2] == (tenant, priority)]
            assert mine == sorted(mine)
    assert len(queue) == 0
    assert queue.stats().size == 0


class Server:
    """An engine with continuous batching as the bound's proof has it: what runs at once has at most `most` tokens."""

    def __init__(self, queue: FairQueue[tuple[str, int, int, int]], weights: dict[str, float], most: int) -> None:
        self.queue, self.weights, self.most = queue, weights, most
        self.running: list[list[int]] = []
        self.names: list[str] = []
        self.service = dict.fromkeys(weights, 0.0)
        self.held: tuple[str, int, int, int] | None = None

    def step(self) -> None:
        """Fill the batch, then one token for each that runs."""
        while True:
            if self.held is None:
                self.held = self.queue.pop()
                if self.held is None:
                    break
                self.service[self.held[0]] += INPUT_WEIGHT * self.held[2] / self.weights[self.held[0]]
            tenant, _, prompt, answer = self.held
            if self.running and sum(sum(each) for each in self.running) + prompt + answer > self.most:
                break  # it is the next that fits
            self.held = None
            self.running.append([prompt, answer])
            self.names.append(tenant)
        for tenant, each in zip(self.names, self.running, strict=True):
            each[1] -= 1
            each[0] += 1
            self.queue.charge(tenant, 1, weight=self.weights[tenant])
            self.service[tenant] += OUTPUT_WEIGHT / self.weights[tenant]
        left = [(name, each) for name, each in zip(self.names, self.running, strict=True) if each[1] > 0]
        self.names, self.running = [name for name, _ in left], [each for _, each in left]


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.integers(20, 200), st.sampled_from([(1.0, 1.0), (1.0, 2.0), (3.0, 1.0)]))
def test_the_service_gap_of_two_backlogged_tenants_is_bounded(
    seed: int, most: int, weights: tuple[float, float]
) -> None:
    """2 * max(wp * longest prompt, wq * M), of the paper; the weights divide the service of each."""
    chance = random.Random(seed)  # noqa: S311
    queue: FairQueue[tuple[str, int, int, int]] = FairQueue(10**6, 10**12)
    by_name = dict(zip("ab", weights, strict=True))
    longest = max(1, most // 2)
    kinds = {name: (chance.randint(1, longest), chance.randint(1, longest)) for name in by_name}
    numbers = dict.fromkeys(by_name, 0)
    server = Server(queue, by_name, most)
    bound = 2 * max(INPUT_WEIGHT * longest, OUTPUT_WEIGHT * most) / min(weights)
    gaps = [0.0]
    for _ in range(300):
        waiting = queue.stats().by_tenant
        for name, (prompt, answer) in kinds.items():
            for _ in range(most + 2 - waiting.get(name, 0)):  # more than one step can take: always backlogged
                numbers[name] += 1
                item = (name, numbers[name], chance.randint(1, prompt), chance.randint(1, answer))
                queue.push(item, name, cost=item[2], weight=by_name[name])
        server.step()
        gaps.append(server.service["a"] - server.service["b"])
    # Over any interval: the gap of the ends is what was served unequally between them.
    assert max(gaps) - min(gaps) <= bound


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_nobody_starves_within_a_class(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    queue = unbounded()
    queue.push(-1, "small", cost=1000)
    for number in range(500):
        queue.push(number, f"flood{number % 3}", cost=chance.randint(1, 20))
    popped = pop_all(queue)
    assert popped.index(-1) <= 3, "it waits behind one request of each other tenant at most"


def test_the_weight_is_the_share() -> None:
    queue = unbounded()
    for number in range(400):
        queue.push(number, "light", cost=10, weight=1)
        queue.push(1000 + number, "heavy", cost=10, weight=3)
    first = [queue.pop() for _ in range(400)]
    assert sum(1 for each in first if each is not None and each >= 1000) == pytest.approx(300, abs=2)


def test_a_pause_earns_a_burst_and_costs_nothing() -> None:
    queue = unbounded()
    for number in range(100):
        queue.push(number, "busy", cost=10)
    for _ in range(50):
        queue.pop()
    for number in range(1000, 1050):
        queue.push(number, "back", cost=10)
    following = [queue.pop() for _ in range(20)]
    assert sum(1 for each in following if each is not None and each >= 1000) == (20 + CREDIT) / 2
    following = [queue.pop() for _ in range(20)]
    assert sum(1 for each in following if each is not None and each >= 1000) == 10


def test_a_tenant_alone_gets_everything() -> None:
    queue = unbounded()
    for number in range(5):
        queue.push(number, "a", cost=10**6)
        queue.charge("a", 10**6)
        assert queue.pop() == number
    queue.push(10, "new", cost=1)
    queue.push(11, "a", cost=1)
    assert queue.pop() == 10, "after a long time alone it is still behind whoever comes"
    assert queue.pop() == 11


def test_a_flood_takes_only_what_others_do_not_want() -> None:
    queue: FairQueue[str] = FairQueue(10, 10**9)
    for number in range(10):
        assert queue.push(f"flood{number}", "flood") == []
    assert queue.push("flood10", "flood") is None
    for number in range(5):
        assert queue.push(f"other{number}", "other") == [f"flood{9 - number}"], "the newest of it goes"
    assert queue.push("other5", "other") is None, "now they are even"
    assert queue.push("urgent", "third", priority="high") == ["flood4"]
    assert queue.push("late", "fourth", priority="low") is None
    assert queue.stats().by_tenant == {"flood": 4, "other": 5, "third": 1}


def test_the_bytes_are_bounded_too() -> None:
    queue: FairQueue[str] = FairQueue(100, 1000)
    assert queue.push("huge", "a", size=1001) is None
    assert queue.push("a1", "a", size=500) == []
    assert queue.push("a2", "a", size=400) == []
    assert queue.push("b1", "b", size=300) == ["a2"]
    assert queue.push("c1", "c", size=600) is None, "more than its share: nothing was taken for it"
    assert queue.stats() == queue.stats().__class__(2, 800, {"a": 1, "b": 1})
    assert queue.push("c1", "c", priority="high", size=1000) is not None
    assert queue.stats().by_tenant == {"c": 1}


@given(PUSHES, st.integers(1, 6), st.integers(1, 300))
def test_the_bounds_hold(pushes: list[tuple[str, str, int, float]], most: int, most_bytes: int) -> None:
    queue: FairQueue[int] = FairQueue(most, most_bytes)
    there: set[int] = set()
    for number, (tenant, priority, size, weight) in enumerate(pushes):
        evicted = queue.push(number, tenant, priority=priority, size=size, weight=weight)
        if evicted is not None:
            there = (there | {number}) - set(evicted)
        assert queue.stats().count == len(there) <= most
        assert queue.stats().size == sum(pushes[each][2] for each in there) <= most_bytes
    assert set(pop_all(queue)) == there


def test_memory_is_bounded_by_who_waits() -> None:
    queue = unbounded()
    ring: deque[int] = deque()
    for number in range(20_000):
        queue.push(number, f"tenant{number}", cost=1)
        ring.append(number)
        if len(ring) > 10:
            queue.remove(ring.popleft())
    assert len(queue.counters()) < 200


def test_what_is_wrong_is_told() -> None:
    queue = unbounded()
    queue.push(1, "a")
    with pytest.raises(ValueError, match="waits already"):
        queue.push(1, "a")
    with pytest.raises(ValueError, match="cannot be taken back"):
        queue.charge("a", -1)
    assert queue.remove(2) is False
    assert queue.position(2) is None
    assert queue.remove(1) is True
    assert queue.pop() is None

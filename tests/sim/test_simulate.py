"""The simulator: every request ends once, nothing is lost by chance, and the same seed gives the same figures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_hexdigest

from headway.errors import UsageError
from headway.perf.step.shape import Limits
from headway.perf.traffic.pieces import ANSWER, OWN, PREFIX, piece_id
from headway.perf.traffic.planned import Piece
from headway.policy.decision import Action, Decision, Reason
from headway.policy.route import Fallback, RouteRule, Slo, Target
from headway.policy.scaling.demand import Demand
from headway.policy.scaling.observation import Capacity, Observation
from headway.policy.scaling.scaler import Memory, Verdict
from headway.sim.capacity import capacity_of
from headway.sim.fleet import ColdStart, Faults, Fleet, Served, Split
from headway.sim.front import Front
from headway.sim.outcome import Outcome
from headway.sim.run import simulate
from tests.support.simulated import STEP, Listed, fleet, poisson, request

COLD = ColdStart(load=20.0, warm=10.0)


@dataclass(frozen=True)
class Waves:
    """A Scaler that wants these numbers in turn, each for five seconds."""

    targets: tuple[int, ...] = (2, 4, 1, 3)
    name: str = "waves"

    def decide(self, seen: Observation, memory: Memory, now: float) -> Verdict:
        target = self.targets[int(now / 5) % len(self.targets)]
        decision = Decision(seen.model, Action.KEEP, Reason.AS_WANTED, "", look_again=5.0)
        return Verdict(target, decision, memory)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    policy=st.sampled_from(["predicted_latency", "round_robin", "least_request", "power_of_two", "prefix_affinity"]),
    faults=st.sampled_from([Faults(), Faults(death_hours=0.01), Faults(spot_hours=0.005, spot_notice=3.0)]),
    places=st.sampled_from([0, 3]),
    rate=st.sampled_from(["4/s", "30/s"]),
    split=st.sampled_from([None, Split(2, 131_072, 25e9)]),
    deadline=st.sampled_from([600.0, 3.0]),
)
def test_each_request_ends_once(
    *, seed: int, policy: str, faults: Faults, places: int, rate: str, split: Split | None, deadline: float
) -> None:
    traffic = poisson(rate, "20s", seed=seed, prefix={"tokens": 200, "count": 3})
    made = fleet(
        3, policy=policy, faults=faults, places=places, cold=ColdStart(load=4.0), limits=Limits(8192, 16, 8, 512),
        split=split, deadline=deadline,
    )  # fmt: skip
    outcome = simulate(made, traffic, seed=seed)
    came = sum(1 for _ in traffic)
    assert sum(outcome.whole.ended.values()) == came == outcome.whole.requests
    assert outcome.whole.ended["finished"] == outcome.whole.e2e.count
    assert sum(each.came * each.seconds for each in outcome.timeline) == pytest.approx(came)
    if not faults.death_hours and not faults.spot_hours:
        assert outcome.whole.ended["lost"] == outcome.whole.retries == 0


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    faults = Faults(death_hours=0.02)
    one, again, other = (
        msgspec.json.encode(simulate(fleet(4, faults=faults, cold=COLD), poisson("8/s"), seed=seed))
        for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_figures_are_the_same_on_every_python() -> None:
    """CI runs this on 3.11, 3.12 and 3.13. Whoever changes a policy, the schedule or the engine writes the new digest
    down here."""
    requests = [
        request(number, number * 0.11, 40 + number * 37 % 700, 3 + number * 53 % 90, tenant="ab"[number % 2])
        for number in range(400)
    ]
    made = fleet(
        2, scaler=Waves(), low=1, high=6, cold=ColdStart(load=5.0), faults=Faults(death_hours=0.02),
        limits=Limits(6400, 16, 16, 512),
    )  # fmt: skip
    outcome = simulate(made, Listed(requests), seed=3)
    assert xxh3_64_hexdigest(msgspec.json.encode(outcome)) == "bc4a18a3359b391b"


def test_a_death_loses_what_had_begun_and_tries_the_rest_elsewhere() -> None:
    made = fleet(
        2, policy="round_robin", cold=COLD, faults=Faults(death_hours=1e-9), limits=Limits(200_000, 16, 1, 4096)
    )
    front = Front(replace(made, served=(replace(made.served[0], faults=Faults()),)), 0)
    for number in range(4):  # two at each: one runs, one waits
        front.come(request(number, 0.0, 100, 1000))
    while front.agenda.now < 2.0:
        front.agenda.turn()
    pool = front.pools["chat"]
    front.keepers["chat"]._die(pool.endpoints[0])
    while front.inside:
        front.agenda.turn()
    tally = front.ledger.groups["chat", ""]
    assert {str(kind): count for kind, count in tally.counts.items() if count} == {"lost": 1, "finished": 3}
    assert tally.retries == 1
    assert front.keepers["chat"].starts == 1  # another one in its place


def test_at_zero_requests_are_held_until_one_is_ready() -> None:
    scaler, capacity = Demand(), Capacity(8000.0, 1500.0, 32.0)
    made = fleet(0, scaler=scaler, low=0, high=3, capacity=capacity, cold=COLD, idle_after=60.0)
    requests = [request(0, 100.0), request(1, 101.0), request(2, 900.0)]
    outcome = simulate(made, Listed(requests))
    (replicas,) = outcome.replicas
    assert outcome.whole.ended["finished"] == 3
    assert outcome.whole.ttft.most == pytest.approx(30.0, abs=0.2)
    assert replicas.starts == 2  # it went back to zero between them
    assert replicas.hours * 3600 < 500


def test_a_replica_that_leaves_ends_its_requests_first() -> None:
    made = fleet(3, scaler=Waves((3, *[1] * 20)), low=1, high=3)
    outcome = simulate(made, poisson("6/s", "30s"))
    assert outcome.whole.ended["finished"] == outcome.whole.requests
    assert outcome.replicas[0].changes == 1
    assert outcome.replicas[0].hours * 3600 < 2 * outcome.seconds


def test_a_cold_start_is_paid_for_and_waited_for() -> None:
    outcome = simulate(fleet(2, cold=COLD, warm=False), Listed([request(0, 0.0)]))
    assert outcome.whole.ttft.mean == pytest.approx(30.0, abs=0.2)
    assert outcome.replicas[0].hours * 3600 == pytest.approx(2 * outcome.seconds)


def test_prompts_and_answers_apart_add_the_transfer_and_keep_the_count() -> None:
    together = simulate(fleet(2), poisson("3/s", "30s"))
    split = Split(decoders=1, kv_bytes=131_072, link=25e9, hop=0.002)
    apart = simulate(fleet(1, split=split), poisson("3/s", "30s"))
    assert apart.whole.ended == together.whole.ended
    assert apart.whole.output_tokens == together.whole.output_tokens
    assert apart.replicas[0].hours * 3600 == pytest.approx(2 * apart.seconds)
    # An answer is never held up by a prompt: its tokens come as evenly as the batch allows.
    assert apart.whole.itl is not None
    assert together.whole.itl is not None
    assert (apart.whole.itl.p99 or 1.0) < (together.whole.itl.p99 or 0.0)


def test_a_route_goes_on_to_its_fallback_when_places_are_taken() -> None:
    limits = Limits(200_000, 16, 4, 4096)
    small, large = (Served(name, STEP, limits, replicas=1, places=4) for name in ("small", "large"))
    rule = RouteRule("any", (Target("small"),), fallback=(Fallback("large"),))
    made = Fleet((small, large), (rule,), aliases={"": "any"})
    outcome = simulate(made, Listed([request(number, number * 0.001, 100, 100) for number in range(10)]))
    taken = {each.model: each.requests for each in outcome.models}
    assert taken == {"small": 6, "large": 4}
    assert outcome.whole.ended["finished"] == 10


@dataclass(frozen=True)
class Rule:
    name: str
    models: tuple[str, ...] | None = None
    rpm: int | None = None
    tpm: int | None = None
    parallel: int | None = None
    day_tokens: int | None = None
    day_micros: int | None = None
    month_tokens: int | None = None
    month_micros: int | None = None
    priority: str = "normal"
    weight: float = 1.0
    isolated: bool = True


def test_a_tenant_over_its_limits_is_refused_and_nobody_else() -> None:
    requests = [request(number, number * 0.1, tenant="ab"[number % 2]) for number in range(200)]
    outcome = simulate(fleet(2, tenants=(Rule("a", rpm=60), Rule("b"))), Listed(requests))
    a, b = outcome.tenants
    assert (a.tenant, b.tenant) == ("a", "b")
    assert b.ended["refused"] == 0
    # a minute's worth at once, and 20 s of refill: 60 + 20 of 100
    assert 78 <= a.ended["finished"] <= 81
    assert a.ended["refused"] == 100 - a.ended["finished"]


def test_tenants_take_turns_at_places_that_are_short() -> None:
    """One floods; the other's few requests do not wait behind all of them."""
    requests = [request(number, 0.0, 100, 100, tenant="flood") for number in range(100)]
    requests += [request(200 + number, 0.5 + number, 100, 100, tenant="calm") for number in range(5)]
    made = fleet(1, places=2, tenants=(Rule("flood"), Rule("calm")))
    outcome = simulate(made, Listed(requests))
    waits = {each.tenant: each.queue.p50 or 0.0 for each in outcome.tenants}
    assert waits["calm"] < 0.2 * waits["flood"]


def test_tenants_that_are_apart_share_no_prefix() -> None:
    shared = Piece(piece_id(PREFIX, 0, 1), 3200)

    def ask(number: int, tenant: str) -> Listed:
        own = Piece(piece_id(OWN, 0, number), 10)
        return request(number, float(number), pieces=(shared, own), tenant=tenant)  # type: ignore[return-value]

    requests = [ask(number, "ab"[number % 2]) for number in range(4)]
    alike, apart = (
        simulate(fleet(1, tenants=(Rule("a", isolated=is_apart), Rule("b", isolated=is_apart))), Listed(requests))  # type: ignore[arg-type]
        for is_apart in (False, True)
    )
    assert alike.whole.hits == pytest.approx(3 * 3200 / (4 * 3210))
    assert apart.whole.hits == pytest.approx(2 * 3200 / (4 * 3210))


def test_a_session_waits_for_its_answers_and_finds_them_cached() -> None:
    first = Piece(piece_id(OWN, 0, 7), 160)
    answer, then = Piece(piece_id(ANSWER, 0, 7), 48), Piece(piece_id(OWN, 0, 8), 20)
    requests = [
        request(0, 0.0, pieces=(first,), output=48, session=1, last=False),
        request(1, 2.0, pieces=(first, answer, then), output=10, session=1, turn=1, think=2.0),
        request(2, 2.1, pieces=(Piece(piece_id(OWN, 0, 9), 20),)),
    ]
    front_outcome = simulate(fleet(1), Listed(requests))
    assert front_outcome.whole.ended["finished"] == 3
    assert front_outcome.whole.hits == pytest.approx(192 / (160 + 228 + 20))
    assert front_outcome.seconds > 2.0 + 0.5  # the second turn came 2 s after the first answer had ended


def test_callers_that_wait_are_never_more_than_so_many() -> None:
    traffic = poisson(arrivals={"concurrency": 6}, lasts="30s")
    outcome = simulate(fleet(1), traffic, closed=True)
    assert outcome.whole.requests > 50
    assert max(each.running for each in outcome.timeline) <= 6
    busy = outcome.whole.requests * (outcome.whole.e2e.mean or 0.0)
    assert busy == pytest.approx(6 * 30.0, rel=0.1)  # Little's law: no think time


def test_what_is_late_is_taken_off_and_what_never_fits_is_said() -> None:
    made = fleet(1, limits=Limits(3200, 16, 1, 4096), deadline=5.0)
    requests = [request(0, 0.0, 100, 1000), request(1, 0.1, 100, 10), request(2, 0.2, 3000, 1000)]
    outcome = simulate(made, Listed(requests))
    assert outcome.whole.ended["late"] == 1
    assert outcome.whole.ended["unserved"] == 1
    assert outcome.whole.ended["finished"] == 1


def test_callers_that_leave_early_do_not_take_the_whole_answer() -> None:
    outcome = simulate(fleet(1), Listed([request(0, 0.0, output=500, cancel_after=10)]))
    assert outcome.whole.ended["left"] == 1
    assert outcome.whole.output_tokens == 10


def test_traffic_without_a_request_is_an_error() -> None:
    with pytest.raises(UsageError, match="no request"):
        simulate(fleet(1), Listed([]))


def test_what_a_replica_bears_keeps_the_slo_with_the_prompts_that_belong_to_it() -> None:
    """As many requests as the capacity says, all the time: the tokens' pace is the SLO's, and half of them keep it."""
    limits, lengths = Limits(400_000, 16, 256, 8192), (500.0, 100.0, 500.0)
    capacity = capacity_of(STEP, limits, Slo(None, 0.03), lengths)
    each = capacity.seconds(500.0, 100.0)

    def pace(share: float) -> Outcome:
        rate = share / each
        return simulate(
            fleet(1, limits=limits),
            poisson(
                f"{rate:.3f}/s",
                "60s",
                prompt=500,
                output=100,
                arrivals={"rate": f"{rate:.3f}/s", "pattern": "constant"},
            ),
        )

    assert (pace(0.5).whole.tpot.p50 or 1.0) < 0.02
    assert (pace(0.95).whole.tpot.p50 or 1.0) < 0.033
    assert (pace(1.3).whole.tpot.p50 or 0.0) > 0.033

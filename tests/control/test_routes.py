"""What the gateway is told: only Replicas that are ready and stay, and why there are none."""

from __future__ import annotations

from dataclasses import replace

from headway.control.routes import routes
from headway.engines.base import Progress
from headway.gateway.table import Endpoint, ModelRoute
from headway.policy.caching import CacheRule, CacheRules
from headway.policy.decision import Reason
from headway.sites.base import Replica, ReplicaState
from headway.spec.cache import Cache, ResponseCache
from headway.spec.model import Model, Replicas
from headway.spec.revision import Pinned, Revision
from headway.store.models import DesiredModel

REVISION = Revision("chat", "llamacpp", Pinned("builtin://smollm2-135m-instruct", "sha256:00"), "chat")
READY = Replica(
    name="chat-abc123-0",
    model="chat",
    revision=REVISION.id,
    state=ReplicaState.READY,
    reason=Reason.READY,
    message="ready",
    host="127.0.0.1",
    port=41000,
    incarnation=2,
)


def route(*replicas: Replica, leaving: tuple[str, ...] = (), count: int = 1) -> ModelRoute:
    model = Model(name="chat", source=REVISION.source.uri, replicas=Replicas(low=count, high=count))
    wanted = DesiredModel(model, REVISION, {}, created=5.0)
    (found,) = routes({"chat": wanted}, replicas, leaving, {})
    return found


def test_a_ready_replica_is_an_endpoint_named_by_its_start() -> None:
    found = route(READY)
    ready = Endpoint("chat-abc123-0.2", READY.name, REVISION.id, "http://127.0.0.1:41000", engine="llamacpp")
    assert found.endpoints == (ready,)
    assert (found.task, found.created, found.expected, found.reason) == ("chat", 5, True, "")


def test_the_leaving_and_the_unready_are_no_endpoints() -> None:
    starting = replace(READY, name="chat-abc123-1", state=ReplicaState.STARTING, message="loading the model")
    assert [each.replica for each in route(READY, starting).endpoints] == ["chat-abc123-0"]
    found = route(READY, starting, leaving=("chat-abc123-0",))
    assert found.endpoints == ()
    assert (found.expected, found.reason) == (True, "loading the model")


def test_the_callers_are_told_why_and_how_long() -> None:
    progress = Progress("download", "SmolLM2", 1, 2, "bytes", eta=12.5)
    preparing = replace(READY, state=ReplicaState.PREPARING, message="downloading SmolLM2", progress=progress)
    found = route(preparing)
    assert (found.reason, found.eta, found.expected) == ("downloading SmolLM2", 12.5, True)


def test_nothing_is_expected_of_what_failed_or_is_not_wanted() -> None:
    failed = replace(READY, state=ReplicaState.FAILED, message="crash loop: out of memory")
    assert (route(failed).expected, route(failed).reason) == (False, "crash loop: out of memory")
    assert (route(count=0).expected, route(count=0).reason) == (False, "replicas: 0 is wanted")
    assert route().expected is True


def test_an_external_model_is_where_its_provider_is() -> None:
    elsewhere = Endpoint("gpt", "gpt", REVISION.id, "https://api.example.com", "gpt-4o", "secret:openai/key")
    model = Model(name="chat", source=REVISION.source.uri)
    virtual = replace(READY, reason=Reason.EXTERNAL, host="", port=0)
    (found,) = routes({"chat": DesiredModel(model, REVISION, {})}, [virtual], (), {REVISION.id: elsewhere})
    assert found.endpoints == (elsewhere,)


def test_replicas_of_models_nobody_wants_are_not_routed_to() -> None:
    assert routes({}, [READY], (), {}) == ()


def test_the_caches_of_a_model_are_those_of_its_route() -> None:
    kept = Cache(responses=ResponseCache(size=10**7, ttl=60.0, which="all"))
    model = Model(name="chat", source=REVISION.source.uri, cache=kept)
    (found,) = routes({"chat": DesiredModel(model, REVISION, {})}, (READY,), (), {})
    assert found.cache == CacheRules(responses=CacheRule(10**7, 60.0, 10.0, "all", False))
    assert route(READY).cache is None

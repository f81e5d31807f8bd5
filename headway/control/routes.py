"""What the Site has and what is wanted -> the RoutingTable. Pure: the time is passed in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from headway.engines import registry
from headway.gateway.public import dearest
from headway.gateway.table import Deadlines, Endpoint, KeyEntry, ModelRoute, TenantRule, TokenPrice
from headway.policy.caching import CacheRule, CacheRules
from headway.policy.route import Fallback, Match, RouteRule, ShadowRule, Slo, Target
from headway.sites.base import Replica, ReplicaState
from headway.spec.cache import Cache, EmbeddingCache, ResponseCache
from headway.spec.model import Model, Price
from headway.spec.revision import Revision
from headway.spec.route import Route
from headway.spec.tenant import Budget, Tenant
from headway.store.keys import Key
from headway.store.models import DesiredModel, Way
from headway.store.routes import DesiredRoute

__all__ = [
    "cache_rules",
    "capacity_of",
    "elsewhere",
    "endpoint_id",
    "endpoint_of",
    "key_entries",
    "route_rules",
    "routes",
    "tenant_rules",
]


def endpoint_id(replica: Replica) -> str:
    return f"{replica.name}.{replica.incarnation}"


def routes(
    desired: Mapping[str, DesiredModel],
    replicas: Iterable[Replica],
    leaving: Collection[str],
    external: Mapping[str, Endpoint],
) -> tuple[ModelRoute, ...]:
    """One ModelRoute for each wanted Model. `external`: Revision id -> the Endpoint that somebody else runs."""
    by_model: dict[str, list[Replica]] = {name: [] for name in desired}
    for replica in replicas:
        if replica.model in by_model and replica.name not in leaving:
            by_model[replica.model].append(replica)
    return tuple(_route(desired[name], by_model[name], external) for name in sorted(desired))


def _route(wanted: DesiredModel, replicas: list[Replica], external: Mapping[str, Endpoint]) -> ModelRoute:
    ready = [each for each in replicas if each.state is ReplicaState.READY]
    coming = [each for each in replicas if each.state not in (ReplicaState.READY, ReplicaState.FAILED)]
    told = next(iter([*coming, *replicas]), None)
    etas = [each.progress.eta for each in coming if each.progress and each.progress.eta is not None]
    count, ways = wanted.wanted, {way.revision.id: way for way in wanted.ways}
    return ModelRoute(
        name=wanted.model.name,
        task=wanted.revision.task,
        endpoints=tuple(
            _endpoint(each, external, ways.get(each.revision), wanted.revision.engine)
            for each in sorted(ready, key=lambda each: each.name)
        ),
        created=int(wanted.created),
        reason="" if ready else told.message if told else "replicas: 0 is wanted" if not count else "no replica yet",
        eta=None if ready else min(etas, default=None),
        expected=bool(ready or coming or (count and not replicas)),
        policy=wanted.model.routing.policy,
        price=dearest(_price(way.price) for way in wanted.ways),
        slo=_slo(wanted.model),
        cache=cache_rules(wanted.model.cache),
        deadlines=_deadlines(wanted.model),
        capacity=capacity_of([way.revision for way in wanted.ways]),
    )


def _slo(model: Model) -> Slo:
    return Slo(model.slo.ttft, model.slo.itl) if model.slo else Slo()


def _deadlines(model: Model) -> Deadlines | None:
    said = model.deadlines
    return Deadlines(whole=said.whole, first_byte=said.begin, idle=said.idle) if said else None


def capacity_of(revisions: Iterable[Revision]) -> int:
    """Requests that one engine runs at once, where its arguments say so: more of them wait in the gateway's fair line
    and not in the engine's own. Of Variants the fewest, when all say it: the line counts places alike."""
    places = [each.args.get(_PLACES.get(each.engine, ""), 0) for each in revisions]
    known = [count for count in places if isinstance(count, int) and count > 0]
    return min(known) if len(known) == len(places) else 0


_PLACES = {"llamacpp": "parallel", "vllm": "max-num-seqs", "mock": "max-running"}


def _price(price: Price | None) -> TokenPrice | None:
    if price is None:
        return None
    cached = price.input if price.cached is None else price.cached
    return TokenPrice(price.input, cached, price.input if price.output is None else price.output)


def route_rules(routes: Iterable[DesiredRoute]) -> tuple[RouteRule, ...]:
    return tuple(_route_rule(each.route, int(each.created)) for each in routes)


def _route_rule(route: Route, created: int) -> RouteRule:
    shadow = route.shadow
    return RouteRule(
        name=route.name,
        to=tuple(Target(each.model, each.weight) for each in route.to),
        match=tuple(Match(each.header, each.equals, each.model) for each in route.match),
        fallback=tuple(Fallback(each.model, each.on, **_budgets(each.budget)) for each in route.fallback),
        within=route.within,
        cheapest=route.prefer == "cheapest",
        slo=Slo(route.slo.ttft, route.slo.itl) if route.slo else Slo(),
        shadow=ShadowRule(shadow.model, shadow.share, shadow.most, shadow.rate) if shadow else None,
        created=created,
        cache=cache_rules(route.cache),
    )


def _budgets(budget: Budget) -> dict[str, int]:
    return {f"{period}_{found.unit}": found.amount for period, found in budget if found is not None}


def cache_rules(cache: Cache | None) -> CacheRules | None:
    """Of a Model, or of a Route that has its own."""
    return None if cache is None else CacheRules(_cache_rule(cache.responses), _cache_rule(cache.embeddings))


def _cache_rule(kept: ResponseCache | EmbeddingCache | None) -> CacheRule | None:
    return None if kept is None else CacheRule(**dict(kept))


def tenant_rules(tenants: Iterable[Tenant]) -> tuple[TenantRule, ...]:
    return tuple(_rule(each) for each in sorted(tenants, key=lambda tenant: tenant.name))


def _rule(tenant: Tenant) -> TenantRule:
    return TenantRule(
        name=tenant.name,
        models=tenant.models,
        rpm=tenant.limits.rpm,
        tpm=tenant.limits.tpm,
        parallel=tenant.limits.parallel,
        **_budgets(tenant.budget),
        priority=tenant.priority,
        weight=tenant.weight,
        isolated=tenant.cache == "own",
        log=tenant.data.log,
        answers=tenant.data.cached,
    )


def key_entries(keys: Iterable[Key], tenants: Collection[str], now: float) -> tuple[KeyEntry, ...]:
    """Those that are valid now, of Tenants that there are. The gateway itself sees to it when one expires."""
    return tuple(
        KeyEntry(each.sha256, each.id, each.tenant, each.models, each.expires)
        for each in sorted(keys, key=lambda key: key.id)
        if each.is_valid(now) and each.tenant in tenants
    )


def _endpoint(replica: Replica, external: Mapping[str, Endpoint], way: Way | None, engine: str) -> Endpoint:
    """`way`: that the Replica is of; None = of an older Revision, whose engine is taken to be the Model's."""
    variant, price = (way.revision.variant, _price(way.price)) if way else ("", None)
    if not variant:
        price = None  # the Model's
    if provided := external.get(replica.revision):
        return msgspec.structs.replace(provided, variant=variant, price=price)
    return endpoint_of(replica, engine=way.revision.engine if way else engine, variant=variant, price=price)


def endpoint_of(replica: Replica, *, engine: str = "", variant: str = "", price: TokenPrice | None = None) -> Endpoint:
    """Of a Replica that a Site runs."""
    host = f"[{replica.host}]" if ":" in replica.host else replica.host
    return Endpoint(
        id=endpoint_id(replica),
        replica=replica.name,
        revision=replica.revision,
        url=f"http://{host}:{replica.port}",
        engine=engine,
        variant=variant,
        price=price,
    )


def elsewhere(desired: Mapping[str, DesiredModel]) -> dict[str, Endpoint]:
    """Revision id -> where its provider answers, for the Models that nobody launches here."""
    found = {}
    for name, revision in ((name, way.revision) for name, each in desired.items() for way in each.ways):
        if provided := registry.get(revision.engine).external(revision):
            found[revision.id] = Endpoint(
                id=f"{name}-{revision.id}",
                replica=f"{name}-{revision.variant}" if revision.variant else name,
                revision=revision.id,
                url=provided.base_url,
                upstream_model=provided.upstream_model,
                key=provided.key,
            )
    return found

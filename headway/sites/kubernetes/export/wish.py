"""What is to be exported: the objects of a file as they are on one cluster, and the few words that no file says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from headway.engines.own_image import own_image
from headway.sites.kubernetes.export.way import Way, way_of
from headway.sites.kubernetes.facts import UNKNOWN, Facts
from headway.sites.kubernetes.objects.network import SYSTEM
from headway.spec.app import App
from headway.spec.kinds import SpecObject
from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.tenant import Tenant

__all__ = ["Wish", "Words", "wished"]


@dataclass(frozen=True, slots=True)
class Words:
    """`host`: under which callers reach the gateway from outside. `issuer`: cert-manager's ClusterIssuer.
    `prometheus`: its address, where KEDA asks it. `image`: of Headway itself."""

    host: str = "models.example.com"
    issuer: str = "letsencrypt"
    prometheus: str = "http://prometheus-operated.monitoring:9090"
    image: str = field(default_factory=own_image)


@dataclass(frozen=True, slots=True)
class Wish:
    """`models` as they are on this Site; `ways` in their order. `system`: the namespace of operator and gateway."""

    models: Sequence[Model]
    ways: Sequence[Way]
    tenants: Sequence[Tenant] = ()
    routes: Sequence[Route] = ()
    apps: Sequence[App] = ()
    facts: Facts = UNKNOWN
    namespace: str = "default"
    system: str = SYSTEM
    words: Words = field(default_factory=Words)

    def of(self, model: Model) -> Iterator[Way]:
        return (each for each in self.ways if each.model.name == model.name)


def wished(objects: Sequence[SpecObject], *, facts: Facts, namespace: str, words: Words, site: str = "") -> Wish:
    """`objects` as the file has them; the profile of the Site, else of its kind, is laid over Models here."""
    here = [each.on(site, "kubernetes") for each in objects if isinstance(each, Model)]
    found = [way_of(way, variant, facts, namespace) for each in here for variant, way in each.ways.items()]
    return Wish(
        here,
        [each for each in found if each is not None],
        tenants=[each for each in objects if isinstance(each, Tenant)],
        routes=[each for each in objects if isinstance(each, Route)],
        apps=[each for each in objects if isinstance(each, App)],
        facts=facts,
        namespace=namespace,
        words=words,
    )

"""`--as keda`: plain objects with a ScaledObject instead of an HPA; `--as keda-external`: Models of the operator, which
KEDA scales by what Headway's own scaler decides."""

from __future__ import annotations

from collections.abc import Iterator

from headway.sites.kubernetes.export.forms.custom import resources
from headway.sites.kubernetes.export.forms.plain import scaled_by
from headway.sites.kubernetes.export.forms.scaler import external_scaler, prometheus_scaler
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["external", "keda"]


def keda(wish: Wish) -> Iterator[Derived]:
    for model in wish.models:
        yield from scaled_by(wish, model, lambda way: prometheus_scaler(way, wish.words.prometheus))


def external(wish: Wish) -> Iterator[Derived]:
    yield from resources(wish)
    for model in wish.models:
        if model.replicas.low < model.replicas.high:
            yield external_scaler(model, list(wish.of(model)), wish.namespace, wish.system)

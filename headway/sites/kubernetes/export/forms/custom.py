"""`--as headway`: the file as custom resources, for `kubectl apply` or a Git repository where the operator runs."""

from __future__ import annotations

from collections.abc import Iterator

from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.custom import custom
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["resources"]


def resources(wish: Wish) -> Iterator[Derived]:
    """Tenants go where the operator looks for them."""
    for tenant in wish.tenants:
        yield Derived(custom(tenant, wish.system), {}, f"Tenants are read from the namespace {wish.system} alone.")
    for model in wish.models:
        yield Derived(custom(model, wish.namespace))
    for route in wish.routes:
        yield Derived(custom(route, wish.namespace))
    for app in wish.apps:
        yield Derived(custom(app, wish.namespace))

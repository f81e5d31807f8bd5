"""What is wrong between objects, each of which is right alone: a Route to a Model that is not there, money without
prices.

Both the loader (for the objects of one file) and the control process (for all that would then be wanted) ask this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from headway.spec.fault import Fault
from headway.spec.model import Model
from headway.spec.route import Fallback, Route
from headway.spec.tenant import Tenant

__all__ = ["faults_between"]


def faults_between(
    models: Iterable[Model], tenants: Iterable[Tenant], routes: Iterable[Route] = (), *, whole: bool = False
) -> Iterator[tuple[str, Fault]]:
    """(name of the Tenant or Route, its fault). `whole`: there are no Models besides these."""
    models = sorted(models, key=lambda each: each.name)
    for route in routes:
        yield from (
            (route.name, fault) for fault in _of_route(route, {each.name: each for each in models}, whole=whole)
        )
    for tenant in tenants:
        unpriced = [each.name for each in models if not _is_priced(each) and _may_use(tenant, each.name)]
        for period in tenant.money if unpriced else ():
            found = getattr(tenant.budget, period)
            more = f" and {len(unpriced) - 1} more" if len(unpriced) > 1 else ""
            message = f"found {found}, but the Model {unpriced[0]}{more} has no price"
            hint = f"write price: {{input: 0.15/1M, output: 0.60/1M}} in the Model {unpriced[0]}, or a budget in tokens"
            yield tenant.name, Fault(message, hint, ("budget", period))


def _of_route(route: Route, models: dict[str, Model], *, whole: bool) -> Iterator[Fault]:
    for name, path in route.models.items():
        if name == route.name:
            yield Fault(f"{name} is the Route itself", "name a Model", path)
        elif whole and name not in models:
            known = ", ".join(models) or "none"
            yield Fault(f"there is no Model {name}", f"write one, or use one of: {known}", path)
    spent = [("fallback", each.model, str(number)) for number, each in enumerate(route.fallback) if _in_money(each)]
    for part, name, number in spent:
        if name in models and not _is_priced(models[name]):
            message = f"found a budget in money, but the Model {name} has no price"
            yield Fault(message, f"write price: in the Model {name}, or a budget in tokens", (part, number, "budget"))
    for place, target in enumerate(route.to) if route.prefer else ():
        if target.model in models and not _is_priced(models[target.model]):
            message = f"the Model {target.model} has no price, so nobody can say what is cheapest"
            yield Fault(message, f"write price: in the Model {target.model}", ("to", str(place), "model"))


def _in_money(fallback: Fallback) -> bool:
    return any(each is not None and each.unit == "micros" for each in (fallback.budget.day, fallback.budget.month))


def _is_priced(model: Model) -> bool:
    return all(way.price is not None for way in model.ways.values())


def _may_use(tenant: Tenant, model: str) -> bool:
    return tenant.models is None or any(fnmatchcase(model, each) for each in tenant.models)

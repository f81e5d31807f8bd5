"""What is wrong between objects, each of which is right alone: the same name twice, a budget in money without prices.

Both the loader (for the objects of one file) and the control process (for all that would then be wanted) ask this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from headway.spec.fault import Fault
from headway.spec.model import Model
from headway.spec.tenant import Tenant

__all__ = ["faults_between"]


def faults_between(models: Iterable[Model], tenants: Iterable[Tenant]) -> Iterator[tuple[str, Fault]]:
    """(name of the Tenant, its fault)."""
    models = sorted(models, key=lambda each: each.name)
    names = {each.name for each in models}
    for tenant in tenants:
        if tenant.name in names:
            message = f"{tenant.name} is the name of a Model too"
            yield tenant.name, Fault(message, "commands could not tell them apart: choose another name", ("name",))
        unpriced = [each.name for each in models if each.price is None and _may_use(tenant, each.name)]
        for period in tenant.money if unpriced else ():
            found = getattr(tenant.budget, period)
            more = f" and {len(unpriced) - 1} more" if len(unpriced) > 1 else ""
            message = f"found {found}, but the Model {unpriced[0]}{more} has no price"
            hint = f"write price: {{input: 0.15/1M, output: 0.60/1M}} in the Model {unpriced[0]}, or a budget in tokens"
            yield tenant.name, Fault(message, hint, ("budget", period))


def _may_use(tenant: Tenant, model: str) -> bool:
    return tenant.models is None or any(fnmatchcase(model, each) for each in tenant.models)

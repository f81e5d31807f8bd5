"""The kinds of documents that a file may hold in this version, and those that it will."""

from __future__ import annotations

from headway.spec.app import App
from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.site import Site
from headway.spec.tenant import Tenant
from headway.spec.workload import Workload

__all__ = ["KINDS", "LATER_KINDS", "SpecObject"]

SpecObject = Model | Tenant | Route | App | Workload | Site

KINDS: dict[str, type[Model] | type[Tenant] | type[Route] | type[App] | type[Workload] | type[Site]] = {
    "Model": Model,
    "Tenant": Tenant,
    "Route": Route,
    "App": App,
    "Workload": Workload,
    "Site": Site,
}
LATER_KINDS = ("Knowledge", "FineTune", "Batch", "Pipeline")

"""The kinds of documents that a file may hold in this version, and those that it will."""

from __future__ import annotations

from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.tenant import Tenant

__all__ = ["KINDS", "LATER_KINDS", "SpecObject"]

SpecObject = Model | Tenant | Route

KINDS: dict[str, type[Model] | type[Tenant] | type[Route]] = {"Model": Model, "Tenant": Tenant, "Route": Route}
LATER_KINDS = ("Workload", "Knowledge", "FineTune", "Batch", "App", "Pipeline", "Site")

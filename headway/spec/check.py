"""Data into an object, every fault told: what the loader, the shorthand and the control process's API share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from headway.errors import SpecError
from headway.spec.app import App
from headway.spec.fault import Faults
from headway.spec.fields import Written
from headway.spec.kinds import KINDS, SpecObject
from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.site import Site
from headway.spec.tenant import Tenant
from headway.spec.wording import faults_of
from headway.spec.workload import Workload

__all__ = [
    "MOST_FAULTS",
    "app_from_json",
    "as_one",
    "from_json",
    "object_of",
    "route_from_json",
    "site_from_json",
    "tenant_from_json",
    "workload_from_json",
]

Kind = TypeVar("Kind", bound=SpecObject)

MOST_FAULTS = 50
"""Lines of errors a person reads at once."""


def object_of(kind: str, fields: Mapping[str, Any], *, base: str | None = None) -> SpecObject:
    """Raises Faults. `base`: the fields were written by a person, in a file of this absolute folder."""
    try:
        return KINDS[kind].model_validate(dict(fields), context=None if base is None else Written(base))
    except ValidationError as error:
        raise Faults(faults_of(error, KINDS[kind])) from None


def from_json(data: Any) -> Model:
    """The Model that `model_dump(mode="json")` wrote, or that somebody else sent in its place. Raises SpecError."""
    return _from_json(Model, data)


def tenant_from_json(data: Any) -> Tenant:
    """Likewise."""
    return _from_json(Tenant, data)


def route_from_json(data: Any) -> Route:
    """Likewise."""
    return _from_json(Route, data)


def site_from_json(data: Any) -> Site:
    """Likewise."""
    return _from_json(Site, data)


def app_from_json(data: Any) -> App:
    """Likewise."""
    return _from_json(App, data)


def workload_from_json(data: Any) -> Workload:
    """Likewise. To change a Workload: what `model_dump(mode="json")` wrote, with other values laid over."""
    return _from_json(Workload, data)


def _from_json(kind: type[Kind], data: Any) -> Kind:
    if not isinstance(data, Mapping):
        raise SpecError("found no mapping", hint=f"send a {kind.__name__} as a JSON object")
    try:
        found = object_of(kind.__name__, data)
        assert isinstance(found, kind)  # noqa: S101
        return found
    except Faults as error:
        raise as_one(
            [SpecError(each.message, hint=each.hint, field=".".join(each.path)) for each in error.faults]
        ) from None


def as_one(faults: Sequence[SpecError]) -> SpecError:
    """The first fault, which carries the others; of very many only the number."""
    first, *others = sorted(faults, key=lambda each: (each.line, each.column))
    if len(others) >= MOST_FAULTS:
        more = len(others) - MOST_FAULTS + 2
        others = [
            *others[: MOST_FAULTS - 2],
            SpecError(f"and {more} more faults", hint="mend these first", file=first.file),
        ]
    first.others = tuple(others)
    return first

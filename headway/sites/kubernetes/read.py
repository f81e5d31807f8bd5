"""Objects of the cluster -> the user's objects, as the file's would be: what operator and gateway both go by."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from headway.errors import SpecError
from headway.spec.app import App
from headway.spec.check import app_from_json, from_json, route_from_json, tenant_from_json
from headway.spec.model import Model, Replicas
from headway.spec.route import Route
from headway.spec.tenant import Tenant
from headway.wire.kube.manifest import Manifest

__all__ = ["created", "read_app", "read_model", "read_route", "read_tenant", "scale_of"]

KIND = "kubernetes"


def read_model(manifest: Manifest, site: str = KIND) -> Model:
    """As it is served on this Site: its profile laid over, and `spec.scale` in place of `replicas` where somebody wrote
    one. With Variants `scale` is the operator's to divide, and each keeps what it says. Raises SpecError."""
    model = from_json(_fields(manifest)).on(site, KIND)
    scale = scale_of(manifest)
    if scale is None or model.variants:
        return model
    return model.model_copy(update={"replicas": Replicas(low=scale, high=scale)})


def scale_of(manifest: Manifest) -> int | None:
    """`spec.scale`: what `/scale`, an autoscaler or a person wrote; None = Headway decides."""
    found = (manifest.get("spec") or {}).get("scale")
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def read_route(manifest: Manifest) -> Route:
    """Raises SpecError."""
    return route_from_json(_fields(manifest))


def read_app(manifest: Manifest, site: str = KIND) -> App:
    """As it runs on this Site. Raises SpecError."""
    return app_from_json(_fields(manifest)).on(site, KIND)


def read_tenant(manifest: Manifest) -> Tenant:
    """Raises SpecError."""
    return tenant_from_json(_fields(manifest))


def created(manifest: Manifest) -> float:
    """Unix seconds; 0 for one that the API server has not seen."""
    written = manifest["metadata"].get("creationTimestamp")
    return datetime.fromisoformat(written).timestamp() if written else 0.0


def _fields(manifest: Manifest) -> dict[str, Any]:
    spec = manifest.get("spec")
    if not isinstance(spec, dict):
        raise SpecError("found no spec", field="spec", hint="write spec: {source: …}")
    said = {key: value for key, value in spec.items() if key != "scale"}
    return said | {"kind": manifest["kind"], "name": manifest["metadata"]["name"]}

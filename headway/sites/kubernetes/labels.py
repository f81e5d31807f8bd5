"""The labels and annotations by which Headway knows its objects on a cluster. Selectors are immutable there, so these
never change meaning."""

from __future__ import annotations

from collections.abc import Mapping

from headway.wire.kube.resource import GROUP

__all__ = [
    "ADAPTERS",
    "APP",
    "COMPONENT",
    "FINALIZER",
    "HASH",
    "LAST",
    "MANAGED",
    "MODEL",
    "PRICE",
    "REVISION",
    "SYSTEM",
    "TENANT",
    "USED",
    "VARIANT",
    "WANTED",
    "WHY",
    "of_model",
]

SYSTEM = "headway"
"""The namespace of operator, gateway, Tenants and keys, where nobody says another."""

MANAGED = "app.kubernetes.io/managed-by"  # = headway
COMPONENT = "app.kubernetes.io/component"  # operator | gateway | replica | weights | app
MODEL = f"{GROUP}/model"
VARIANT = f"{GROUP}/variant"
REVISION = f"{GROUP}/revision"
TENANT = f"{GROUP}/tenant"
APP = f"{GROUP}/app"
ADAPTERS = f"{GROUP}/adapters"

PRICE = f"{GROUP}/price"  # of a node: what an hour of the whole node costs, a number in the Site's currency

HASH = f"{GROUP}/derived-from"  # annotation: digest of the wish that the object was derived from
LAST = f"{GROUP}/last-applied"  # annotation: what the operator applied, as JSON and without replicas
WANTED = f"{GROUP}/wanted"  # annotation: the replicas that the Model wanted when Headway last said so
WHY = f"{GROUP}/why"  # annotation: JSON, pointer -> reason of each derived value
USED = f"{GROUP}/used"  # annotation of an App: when somebody last used it, RFC 3339; `headway open` writes it
FINALIZER = f"{GROUP}/drain"


def of_model(model: str, revision: str = "", variant: str = "") -> Mapping[str, str]:
    """Of a Replica's objects; without a Revision, of what all Revisions of the Model share."""
    said = {"app.kubernetes.io/name": model, MANAGED: "headway", COMPONENT: "replica", MODEL: model}
    return said | ({REVISION: revision} if revision else {}) | ({VARIANT: variant} if variant else {})

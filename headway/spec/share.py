"""`quota` of a Tenant: what may run at once in its namespace on a cluster. Cores and bytes in the code."""

from __future__ import annotations

from typing import Annotated

from pydantic import WithJsonSchema, model_validator

from headway.spec import about_share as about
from headway.spec.bounded import whole
from headway.spec.cache import Flag
from headway.spec.fault import Fault
from headway.spec.fields import Bytes, Cores
from headway.spec.strict import Strict

__all__ = ["Quota"]

MOST = 1_000_000
Many = Annotated[
    int,
    whole(0, MOST, f"write a whole number from 0 to {MOST}, like 8"),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST}),
]


class Quota(Strict):
    """What may run at once in the tenant's namespace. What is left out is not limited."""

    gpus: Annotated[Many | None, about.GPUS] = None
    cpu: Annotated[Cores | None, about.CPU] = None
    memory: Annotated[Bytes | None, about.MEMORY] = None
    storage: Annotated[Bytes | None, about.STORAGE] = None
    pods: Annotated[Many | None, about.PODS] = None
    borrow: Annotated[Flag, about.BORROW] = True

    @model_validator(mode="after")
    def _limits_something(self) -> Quota:
        if all(value is None for name, value in self if name != "borrow"):
            raise Fault("limits nothing", "write quota: {gpus: 8}, or leave it out")
        return self

"""`deadlines` of a Model: how long its requests may take, and its engines be silent, before the gateway gives up."""

from __future__ import annotations

from typing import Annotated

from pydantic import model_validator

from headway.spec import about
from headway.spec.fault import Fault
from headway.spec.fields import Seconds
from headway.spec.strict import Strict
from headway.spec.units import format_duration

__all__ = ["Deadlines"]

LEAST = 0.1
"""Seconds: finer than this the gateway does not look at its clock for deadlines."""


class Deadlines(Strict):
    """Where they are to differ from the gateway's own. Seconds in the code."""

    begin: Annotated[Seconds | None, about.BEGIN] = None
    idle: Annotated[Seconds | None, about.IDLE] = None
    whole: Annotated[Seconds | None, about.WHOLE] = None

    @model_validator(mode="after")
    def _sound(self) -> Deadlines:
        said = {name: value for name, value in self if value is not None}
        if not said:
            raise Fault("says no deadline", "write deadlines: {begin: 20s}, or leave it out")
        for name, value in said.items():
            if value < LEAST:
                raise Fault(f"found {format_duration(value)}, which is too little", "write 100ms or more", (name,))
            if self.whole is not None and value > self.whole:
                whole = format_duration(self.whole)
                message = f"found {format_duration(value)}, which is longer than the whole of {whole}"
                raise Fault(message, f"write {whole} or less, or a longer whole", (name,))
        return self

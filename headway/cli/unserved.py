"""What stands in a file that `headway up` reads and is served by nobody: Workloads and Sites, for other verbs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headway.errors import SpecError

if TYPE_CHECKING:
    from headway.spec.kinds import SpecObject

__all__ = ["to_serve"]

READ_BY = {
    "Workload": "headway bench --workload {file} sends it",
    "Site": "headway plan {file} --on {name} reads it",
}
"""By kind: which command does something with it."""


def to_serve(objects: Sequence[SpecObject], places: Mapping[str, str]) -> list[SpecObject]:
    """The rest, and a line on standard error for each of these. Raises SpecError when nothing is left to serve."""
    served: list[SpecObject] = [each for each in objects if each.kind not in READ_BY]
    for each in objects:
        if each.kind not in READ_BY:
            continue
        file, _, line = places.get(each.name, "").rpartition(":")
        message = f"{each.name} is a {each.kind}, which is not served"
        hint = READ_BY[each.kind].format(file=file or "FILE", name=each.name)
        if not served:
            hint += "; write a kind: Model for headway up"
            raise SpecError(message, hint=hint, file=file, line=int(line) if line.isdigit() else 0)
        print(f"{message}; {hint}", file=sys.stderr)
    return served

"""What stands in a file that `headway up` reads and is served by nobody: Workloads, which other verbs read."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from headway.errors import SpecError

if TYPE_CHECKING:
    from headway.spec.kinds import SpecObject

__all__ = ["without_workloads"]


def without_workloads(objects: Sequence[SpecObject], places: Mapping[str, str]) -> list[SpecObject]:
    """The rest, and a line on standard error for each Workload. Raises SpecError when nothing is left to serve."""
    served: list[SpecObject] = [each for each in objects if each.kind != "Workload"]
    for each in objects:
        if each.kind != "Workload":
            continue
        file, _, line = places.get(each.name, "").rpartition(":")
        message = f"{each.name} is a Workload, which is not served"
        hint = f"headway bench --workload {file or 'FILE'} sends it"
        if not served:
            hint += "; write a kind: Model for headway up"
            raise SpecError(message, hint=hint, file=file, line=int(line) if line.isdigit() else 0)
        print(f"{message}; {hint}", file=sys.stderr)
    return served

"""The one tree of errors. Every error names the object, says what was found and what to do next.

    HeadwayError                    1  failed
    ├── UsageError                  2  the command line or the user's file is wrong
    │   └── SpecError               2  a document: file, line, column, field
    ├── UnreachableError            3  a hub, a registry, a control process or a site does not answer
    ├── SourceError                 1  a model's source: not found, not supported, corrupt, not trusted
    ├── SecretError                 1  a secret that is named but found nowhere
    ├── ResourceError               1  memory, cores, GPUs, disk or a port that is not to be had
    ├── EngineError                 1  an engine that cannot be built, does not start, or dies
    └── Cancelled                   1  the user stopped it

`code` is stable and documented in docs/errors.md (a test compares them); the number is the exit code of the command.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "Cancelled",
    "EngineError",
    "HeadwayError",
    "ResourceError",
    "SecretError",
    "SourceError",
    "SpecError",
    "UnreachableError",
    "UsageError",
    "from_wire",
]


class HeadwayError(Exception):
    """One line for the user: `message` (object, what was found) and `hint` (what to do next)."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def to_wire(self) -> dict[str, Any]:
        """The error as JSON, so that the control process can hand it to the command that asked."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class UsageError(HeadwayError):
    code = "usage"
    exit_code = 2


class SpecError(UsageError):
    """A fault in the user's file. `field` is a dotted path; line and column count from 1; 0 means unknown.

    A file is checked whole: this is its first fault, `others` are the rest, each one line of its own.
    """

    code = "spec_invalid"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        file: str = "",
        line: int = 0,
        column: int = 0,
        field: str = "",
        others: Sequence[SpecError] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.file, self.line, self.column, self.field = file, line, column, field
        self.others = tuple(others)

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        what = f"{self.field}: {super().__str__()}" if self.field else super().__str__()
        return f"{where}: {what}" if where else what

    def to_wire(self) -> dict[str, Any]:
        return super().to_wire() | {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "field": self.field,
            "others": [each.to_wire() for each in self.others],
        }


class UnreachableError(HeadwayError):
    code = "unreachable"
    exit_code = 3


class SourceError(HeadwayError):
    code = "source_invalid"


class SecretError(HeadwayError):
    code = "secret_missing"


class ResourceError(HeadwayError):
    code = "no_resource"


class EngineError(HeadwayError):
    code = "engine_failed"


class Cancelled(HeadwayError):
    code = "cancelled"


_BY_CODE: dict[str, type[HeadwayError]] = {
    kind.code: kind
    for kind in (
        HeadwayError,
        UsageError,
        SpecError,
        UnreachableError,
        SourceError,
        SecretError,
        ResourceError,
        EngineError,
        Cancelled,
    )
}


def from_wire(payload: dict[str, Any]) -> HeadwayError:
    """The error that `to_wire` wrote; an unknown code becomes a plain HeadwayError."""
    fields = {key: value for key, value in payload.items() if key not in ("code", "message")}
    kind = _BY_CODE.get(payload.get("code", ""), HeadwayError)
    if kind is SpecError:
        fields["others"] = [from_wire(each) for each in fields.get("others", ())]
    else:
        fields = {"hint": fields.get("hint", "")}
    return kind(payload.get("message", "failed"), **fields)

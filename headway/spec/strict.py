"""The base of every kind: closed, immutable, and what is null was left out."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

__all__ = ["Strict", "written_fields"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, fields: Any) -> Any:
        """As Kubernetes reads it; `gpu:` with nothing behind it is a line somebody has not filled in."""
        return (
            {key: value for key, value in fields.items() if value is not None} if isinstance(fields, dict) else fields
        )


def written_fields(holder: type[BaseModel]) -> dict[str, FieldInfo]:
    """Its fields by the names that they have in a file: `for`, where Python keeps that word for itself."""
    return {field.alias or name: field for name, field in holder.model_fields.items()}

"""Names of models for shell completion: quick, and silent when nothing runs."""

from __future__ import annotations

from headway.cli.client import ControlClient
from headway.errors import HeadwayError, UsageError

__all__ = ["complete_name", "model_named"]


def complete_name(incomplete: str) -> list[str]:
    try:
        return [each["name"] for each in ControlClient().get("/state")["models"] if each["name"].startswith(incomplete)]
    except HeadwayError:
        return []


def model_named(snapshot: dict[str, list[dict[str, str]]], name: str) -> dict[str, str]:
    """Raises UsageError that names those there are."""
    for each in snapshot["models"]:
        if each["name"] == name:
            return each
    known = ", ".join(each["name"] for each in snapshot["models"]) or "none"
    raise UsageError(f"no model {name!r} here", hint=f"models: {known}")

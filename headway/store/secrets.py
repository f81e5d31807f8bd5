"""Secrets by name: `secret:NAME/KEY`, read when it is needed, never stored in the clear, never shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

from headway.errors import SecretError
from headway.paths import StateDir

__all__ = ["PREFIX", "environment_name", "is_secret", "resolve_secret"]

PREFIX = "secret:"
_FORM = re.compile(r"secret:([A-Za-z0-9][A-Za-z0-9_.-]*)/([A-Za-z0-9][A-Za-z0-9_.-]*)")


def is_secret(value: str) -> bool:
    return value.startswith(PREFIX)


def environment_name(reference: str) -> str:
    """`secret:hf/token` is looked for in `HEADWAY_SECRET_HF_TOKEN`."""
    name, key = _parse(reference)
    return "HEADWAY_SECRET_" + re.sub(r"[^A-Z0-9]", "_", f"{name}_{key}".upper())


def resolve_secret(reference: str, state: StateDir | None = None) -> str:
    """The value: from the environment, else from the file NAME/KEY in the state directory's `secrets` folder.

    Raises SecretError, which names both places.
    """
    variable = environment_name(reference)
    if value := os.environ.get(variable):
        return value
    path = _path(reference, state or StateDir.default())
    try:
        value = path.read_text().strip()
    except OSError:
        value = ""
    if not value:
        raise SecretError(
            f"{reference}: not found",
            hint=f"set {variable} in the environment, or write it to {path} (mode 0600)",
        )
    return value


def _path(reference: str, state: StateDir) -> Path:
    name, key = _parse(reference)
    return state.secrets / name / key


def _parse(reference: str) -> tuple[str, str]:
    if found := _FORM.fullmatch(reference):
        return found[1], found[2]
    raise SecretError(f"{reference!r} does not name a secret", hint="write secret:NAME/KEY")

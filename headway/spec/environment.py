"""`args` and `env`: what an engine is given, unread by Headway, save that no credential may stand in them.

A secret has a name (`secret:NAME/KEY`) and is read when the engine starts. It can only go into `env`: the command line
of a process is there for every user of the machine to see. No error here ever repeats a value that may be a secret.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from headway.spec.fault import Fault, Faults, describe

__all__ = ["ARGS_SCHEMA", "ENV_SCHEMA", "read_args", "read_env", "read_pod"]

BY_NAME = "write secret:NAME/KEY"
_REFERENCE = r"secret:[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*"
_ENV_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_ARG_NAME = r"[A-Za-z][A-Za-z0-9_.-]*"

_CREDENTIAL_ENV = re.compile(r"(.*_)?(token|key|secret|password)", re.IGNORECASE)
_CREDENTIAL_ARG = re.compile(r"(.*[-_])?(api[-_]?key|hf[-_]?token|secret|password)", re.IGNORECASE)
_CREDENTIAL_VALUE = re.compile(r"(hf_|sk-|gh[pousr]_|github_pat_|glpat-|AKIA|xox[a-z]-)[A-Za-z0-9_-]{16,}|-----BEGIN ")
_NO_CREDENTIAL = re.compile(r"|/.*|true|false|yes|no|on|off|[01]", re.IGNORECASE)
"""What may stand under a key that sounds secret: nothing, a path to a file, a switch."""

ARGS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": f"^{_ARG_NAME}$"},
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "number", "boolean", "null"]},
            {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
        ]
    },
}
ENV_SCHEMA: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"pattern": f"^{_ENV_NAME}$"},
    "additionalProperties": {"type": "string", "pattern": f"^({_REFERENCE}|(?!secret:)[\\s\\S]*)$"},
}


def read_args(value: Any) -> dict[str, Any]:
    return _each(value, _check_arg, "write a mapping like {ctx-size: 8192}")


def read_env(value: Any) -> dict[str, Any]:
    return _each(value, _check_env, "write a mapping like {HF_TOKEN: secret:hf/token}")


def read_pod(value: Any) -> dict[str, Any]:
    """Any JSON, as long as no credential stands in it: everybody who may look at pods sees it."""
    if not isinstance(value, dict):
        raise Fault(f"found {describe(value)}", "write a mapping like {nodeSelector: {pool: inference}}")
    _check_plain(value)
    return dict(value)


def _check_plain(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            try:
                _check_plain(item)
            except Fault as fault:
                raise fault.below((str(key),)) from None
    elif isinstance(value, list):
        for number, item in enumerate(value):
            try:
                _check_plain(item)
            except Fault as fault:
                raise fault.below((str(number),)) from None
    elif isinstance(value, str) and _CREDENTIAL_VALUE.match(value):
        raise Fault("looks like a credential written out", "name a Secret of the cluster instead")


def _each(value: Any, check: Callable[[str, Any], None], form: str) -> dict[str, Any]:
    if value is None:  # `env:` with nothing or only comments below it
        return {}
    if not isinstance(value, dict):
        raise Fault(f"found {describe(value)}" if isinstance(value, list) else "found a value, no mapping", form)
    faults = []
    for key, item in value.items():
        try:
            check(str(key), item)
        except Fault as fault:
            faults.append(fault.below((str(key),)))
    if faults:
        raise Faults(faults)
    return dict(value)


def _check_arg(key: str, value: Any) -> None:
    if key.startswith("-"):
        raise Fault(
            "begins with a dash", f"write {key.lstrip('-') or 'its name'}, Headway adds the dashes", of_key=True
        )
    if not re.fullmatch(_ARG_NAME, key, re.ASCII):
        raise Fault("no name of an option", "write it as the engine does, like ctx-size", of_key=True)
    if isinstance(value, dict):
        raise Fault("found a mapping", "write text, a number, true, false or a list of them; JSON goes in quotes")
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict | list) or (item is None and isinstance(value, list)):
            raise Fault(f"found {describe(item)} in a list", "write text, numbers, true or false in it")
        if isinstance(item, float) and not math.isfinite(item):
            raise Fault(f"found {item}", "write a finite number")
        if isinstance(item, str):
            _check_arg_text(key, item)


def _check_arg_text(key: str, text: str) -> None:
    if "\0" in text:
        raise Fault("found a NUL character", "remove it")
    if text.startswith("secret:"):
        raise Fault("a secret on a command line can be seen by all", "give it to the engine under env")
    sounds_secret = _CREDENTIAL_ARG.fullmatch(key) and not _NO_CREDENTIAL.fullmatch(text)
    if sounds_secret or _CREDENTIAL_VALUE.match(text):
        raise Fault("looks like a credential written out", "give it to the engine under env as secret:NAME/KEY")


def _check_env(key: str, value: Any) -> None:
    if not re.fullmatch(_ENV_NAME, key, re.ASCII):
        raise Fault(
            "no name of an environment variable", "write letters, digits and _, not beginning with a digit", of_key=True
        )
    if isinstance(value, bool | int | float):
        raise Fault(f"found {describe(value)}, which is no text", f'write it in quotes: "{describe(value)}"')
    if not isinstance(value, str):
        raise Fault(f"found {describe(value)}", "write text or secret:NAME/KEY")
    if "\0" in value:
        raise Fault("found a NUL character", "remove it")
    if value.startswith("secret:"):
        if not re.fullmatch(_REFERENCE, value, re.ASCII):
            raise Fault("does not name a secret", BY_NAME)
        return
    sounds_secret = _CREDENTIAL_ENV.fullmatch(key) and not _NO_CREDENTIAL.fullmatch(value)
    if sounds_secret or _CREDENTIAL_VALUE.match(value):
        raise Fault("looks like a credential written out", f"{BY_NAME}, and keep the value out of the file")

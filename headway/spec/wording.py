"""pydantic's faults in the user's words: what was found, and the nearest right key or the accepted form.

Our own validators raise Fault, which passes through. For the rest pydantic tells a code and a path; what the field
accepts is known from its description in the model (`about`), whose first example is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from headway.spec.fault import Fault, Faults, describe, nearest, written
from headway.spec.model import Model, Profile
from headway.spec.strict import written_fields

__all__ = ["LATER_FIELDS", "faults_of"]

LATER_FIELDS = ("idle", "floor", "adapters", "rollout")
"""Fields that a Model will have; whoever writes one has made no slip of the keyboard."""


def faults_of(error: ValidationError, kind: type[BaseModel]) -> Iterator[Fault]:
    """Each fault of an object, with its path in it. A field that was misspelt is not called missing as well."""
    found = error.errors(include_url=False)
    paths = [tuple(str(part) for part in each["loc"] if part != "[key]") for each in found]
    meant = {
        (*path[:-1], nearest(path[-1], [*written_fields(_class_at(kind, path[:-1]))]))
        for each, path in zip(found, paths, strict=True)
        if each["type"] == "extra_forbidden"
    }
    for each, path in zip(found, paths, strict=True):
        if each["type"] == "missing" and path in meant:
            continue
        own = each.get("ctx", {}).get("error")
        if isinstance(own, Faults):
            yield from (fault.below(path) for fault in own.faults)
        elif isinstance(own, Fault):
            yield own.below(path)
        else:
            yield _worded(kind, each["type"], path, each["input"])


def _worded(kind: type[BaseModel], code: str, path: tuple[str, ...], found: Any) -> Fault:
    holder = _class_at(kind, path[:-1])
    if code == "extra_forbidden":
        return _unknown_key(kind, holder, path)
    field = written_fields(holder).get(path[-1])
    example = written(field.examples[0]) if field and field.examples else "a mapping of fields"
    if code == "missing":
        return Fault("missing", f"write {path[-1]}: {example}", path, of_key=True)
    if code == "literal_error" and field:
        words = _words(field.annotation)
        meant = nearest(found, words) if isinstance(found, str) else ""
        return Fault(
            f"found {describe(found)}", f"did you mean {meant}?" if meant else f"use one of {', '.join(words)}", path
        )
    return Fault(f"found {describe(found)}", f"write {example}", path)


def _unknown_key(kind: type[BaseModel], holder: type[BaseModel], path: tuple[str, ...]) -> Fault:
    key, known = path[-1], [*written_fields(holder)]
    if key in LATER_FIELDS and holder in (Model, Profile):
        return Fault("not in this version yet", "remove it", path, of_key=True)
    for name, field in written_fields(kind).items():
        inner = _class_in(field.annotation)
        if inner not in (None, Profile, holder) and key in written_fields(inner):
            return Fault("unknown field", f"write it under {name}", path, of_key=True)
    meant = nearest(key, known)
    hint = f"did you mean {meant}?" if meant else f"fields here: {', '.join(known)}"
    return Fault("unknown field", hint, path, of_key=True)


def _class_at(kind: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel]:
    """The class whose fields stand at this path of an object."""
    holder, parts = kind, iter(path)
    for part in parts:
        field = written_fields(holder).get(part)
        if field is not None and (inner := _class_in(field.annotation)) is not None:
            holder = inner
            if get_origin(field.annotation) in (dict, tuple):
                next(parts, None)  # the key: the name of a Site, or the place in a list
    return holder


def _class_in(annotation: Any) -> type[BaseModel] | None:
    """The class of fields that an annotation holds, optional or as the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_class_in, get_args(annotation))), None)


def _words(annotation: Any) -> list[str]:
    """The words of a Literal, optional or not."""
    parts = get_args(annotation)
    return [word for part in parts for word in ([part] if isinstance(part, str) else _words(part))]

"""What `headway export` was asked for -> the objects, the words above them, and where they go."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import headway
from headway.cli.on import on_cluster, place
from headway.cli.target import read
from headway.errors import SpecError, UsageError
from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.export.registry import FORMS, PIECES, Maker, named
from headway.sites.kubernetes.export.wish import Wish, Words, wished
from headway.sites.kubernetes.facts import UNKNOWN
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.observe import facts as observe
from headway.spec.app import App
from headway.spec.kinds import SpecObject
from headway.spec.model import Model
from headway.spec.tenant import Tenant

__all__ = ["Asked", "Exported", "exported", "told_forms", "write"]

ALL = "all"
OURS = frozenset({"headway", "keda-external"})
"""The forms in which all of a file stands, because Headway runs it."""


@dataclass(frozen=True, slots=True)
class Asked:
    target: str | None
    form: str
    pieces: Sequence[str]
    on: str | None
    namespace: str
    words: Words = field(default_factory=Words)


@dataclass(frozen=True, slots=True)
class Exported:
    objects: Sequence[Derived]
    head: Sequence[str]


def exported(asked: Asked) -> Exported:
    """Raises SpecError, UsageError, and with a Site UnreachableError."""
    makers = _makers(asked)
    objects, origin, _ = read(asked.target)
    wish = _wish(asked, objects, origin, makers)
    found: list[Derived] = []
    for name, maker in makers:
        if ALL in asked.pieces:
            found += _if_any(maker, wish)
        else:
            found += list(maker.make(wish))
        if not found and not asked.pieces:
            raise UsageError(f"--as {name}: nothing of {origin} runs on a cluster", hint="write a kind: Model")
    return Exported(_once(found), list(_head(asked, origin, makers, wish)))


def _makers(asked: Asked) -> list[tuple[str, Maker]]:
    if not asked.pieces:
        return [(asked.form, named(asked.form, FORMS, "--as"))]
    if asked.form != "kubernetes":
        raise UsageError("--as and --piece do not go together", hint="run it twice: pieces are the admin's")
    if ALL in asked.pieces:
        return list(PIECES.items())
    return [(each, named(each, PIECES, "--piece")) for each in asked.pieces]


def _wish(asked: Asked, objects: Sequence[SpecObject], origin: str, makers: Sequence[tuple[str, Maker]]) -> Wish:
    where = place(asked.on)
    if where.is_local:
        needed = frozenset().union(*(maker.groups for _, maker in makers))
        facts = replace(UNKNOWN, groups=UNKNOWN.groups | needed)
    else:
        facts = on_cluster(where, observe)
    if not any(isinstance(each, Model | Tenant | App) for each in objects):
        raise SpecError("has no kind: Model", hint="write what is to be served", file=origin)
    return wished(
        objects,
        facts=facts,
        namespace=asked.namespace or where.namespace or "default",
        words=asked.words,
        site="" if where.is_local else where.name,
    )


def _if_any(maker: Maker, wish: Wish) -> list[Derived]:
    """Of all pieces, those that this file has a use for."""
    try:
        return list(maker.make(wish))
    except UsageError:
        return []


def _once(objects: Sequence[Derived]) -> list[Derived]:
    """Two Models may want the same object, like a cache of the same weights."""
    found: dict[tuple[str, ...], Derived] = {}
    for each in objects:
        metadata = each.manifest["metadata"]
        key = (each.manifest["apiVersion"], each.manifest["kind"], metadata.get("namespace", ""), metadata["name"])
        found.setdefault(key, each)
    return list(found.values())


def _head(asked: Asked, origin: str, makers: Sequence[tuple[str, Maker]], wish: Wish) -> Iterator[str]:
    what = " ".join(f"--piece {each}" for each in asked.pieces) or f"--as {asked.form}"
    file = "-" if origin == "-" else asked.target or Path(origin).name
    yield f"headway {headway.__version__} export {file} {what}" + (f" --on {asked.on}" if asked.on else "")
    needs = dict.fromkeys(maker.needs for _, maker in makers if maker.needs)
    if needs:
        yield f"Needs {'; '.join(needs)}."
    if not wish.facts.known:
        yield "No cluster was looked at (--on SITE does): it fits any that has the devices."
    expected = [] if asked.pieces else list(_expected(wish))
    if expected:
        yield f"Must be there already: {', '.join(expected)}."
    left = [] if asked.pieces else list(_left_out(asked.form, wish))
    if left:
        yield f"Not in it, because it is Headway's gateway that does it: {', '.join(left)}."
    outside = [each.name for each in wish.models if not list(wish.of(each))]
    if outside and asked.form not in OURS:
        yield f"Nothing runs here for {', '.join(outside)}: somebody else serves it."


def _expected(wish: Wish) -> Iterator[str]:
    """What the objects name and somebody else must have made."""
    secrets = [value for way in wish.ways for value in way.revision.env.values() if value.startswith("secret:")]
    yield from dict.fromkeys(f"Secret {each.removeprefix('secret:').partition('/')[0]}" for each in secrets)
    classes = dict.fromkeys(way.model.priority for way in wish.ways if way.model.priority)
    yield from (f"PriorityClass {each}" for each in classes if each not in wish.facts.priority_classes)
    there = {each.name for each in wish.facts.storage}
    written = dict.fromkeys(way.model.weights.storage_class for way in wish.ways if way.model.weights)
    yield from (f"StorageClass {each}" for each in written if each and each not in there)


def _left_out(form: str, wish: Wish) -> Iterator[str]:
    if form in OURS:
        return
    if form != "gateway-api":
        yield from (f"Route {each.name}" for each in wish.routes)
    yield from (f"Tenant {each.name}" for each in wish.tenants)
    yield from (f"App {each.name}" for each in wish.apps)


def write(found: Exported, *, bare: bool, as_json: bool, out: Path | None) -> None:
    """To standard output, a file, or a folder that exists or is named with a slash. Raises UsageError."""
    objects = [Derived(each.manifest) for each in found.objects] if bare else found.objects
    if as_json:
        listed = {"apiVersion": "v1", "kind": "List", "items": [each.manifest for each in objects]}
        text = json.dumps(listed, indent=2) + "\n"
    else:
        text = text_of(objects, () if bare else found.head)
    if out is None:
        sys.stdout.write(text)
        return
    try:
        if not out.is_dir():
            out.write_text(text, encoding="utf-8")
            return
        for each in objects:
            (out / _file(each)).write_text(text_of([each]), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"-o {out}: cannot be written: {error.strerror}", hint="name a file in a folder") from error
    print(f"{len(objects)} objects in {out}", file=sys.stderr)


def _file(derived: Derived) -> str:
    manifest = derived.manifest
    namespace = manifest["metadata"].get("namespace", "")
    return "-".join(filter(None, (namespace, manifest["kind"].lower(), manifest["metadata"]["name"]))) + ".yaml"


def told_forms() -> Iterator[str]:
    for title, makers in (("--as FORM", FORMS), ("--piece PIECE", PIECES)):
        yield title
        for name, maker in makers.items():
            yield f"  {name:<18} {maker.about}" + (f" (needs {maker.needs})" if maker.needs else "")

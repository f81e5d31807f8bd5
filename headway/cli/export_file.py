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
from headway.spec.kinds import SpecObject
from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.tenant import Tenant

__all__ = ["Asked", "Exported", "exported", "told_forms", "write"]

ALL = "all"
GATEWAY_FORMS = frozenset({"headway", "keda-external", "gateway-api"})
"""Those that say more of Routes and Tenants than plain objects can."""


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
        if asked.pieces and list(asked.pieces) == [ALL]:
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
    models = [each for each in objects if isinstance(each, Model)]
    if not models and not any(isinstance(each, Tenant) for each in objects):
        raise SpecError("has no kind: Model", hint="write what is to be served", file=origin)
    return wished(
        models,
        [each for each in objects if isinstance(each, Tenant)],
        [each for each in objects if isinstance(each, Route)],
        facts=facts,
        namespace=asked.namespace or where.namespace or "default",
        site="" if where.is_local else where.name,
        words=asked.words,
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
    if not asked.pieces and asked.form not in GATEWAY_FORMS and (wish.routes or wish.tenants):
        left = ", ".join(
            [*(f"Route {each.name}" for each in wish.routes), *(f"Tenant {each.name}" for each in wish.tenants)]
        )
        yield f"Not in it, because Headway's gateway does it: {left}."
    outside = [each.name for each in wish.models if not list(wish.of(each))]
    if outside and asked.form not in ("headway", "keda-external"):
        yield f"Nothing runs here for {', '.join(outside)}: somebody else serves it."


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

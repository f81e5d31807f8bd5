"""The user's file into objects: text in, values out, or one SpecError that carries every fault of the file.

Reading the file is the caller's: `load(path.read_text(), str(path), str(path.parent.absolute()))`.
"""

from __future__ import annotations

from collections.abc import Iterator

from headway.errors import SpecError
from headway.spec.check import as_one, object_of
from headway.spec.document import Document, locate, open_document
from headway.spec.fault import Fault, Faults
from headway.spec.kinds import SpecObject
from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.tenant import Tenant
from headway.spec.together import faults_between
from headway.spec.tree import TreeFault, parse

__all__ = ["load", "load_places"]

SMALLEST = "kind: Model, name: chat, source: builtin://smollm2-135m-instruct"


def load(text: str, file: str, base: str) -> list[SpecObject]:
    """`file` is named in errors; relative `file://` sources are seen from the absolute folder `base`.

    Raises SpecError: the first fault, with all further ones as its `others`.
    """
    return load_places(text, file, base)[0]


def load_places(text: str, file: str, base: str) -> tuple[list[SpecObject], dict[str, str]]:
    """Likewise, and by name where each object stands: `file:line`."""
    try:
        tree = parse(text)
    except TreeFault as fault:
        raise _of_text(fault, file) from None
    if not tree.documents:
        raise SpecError("found no document", hint=f"the smallest has three lines: {SMALLEST}", file=file)
    documents = [open_document(root) for root in tree.documents]
    faults = [_of_text(each, file) for each in tree.faults]
    objects: dict[str, tuple[SpecObject, Document]] = {}
    for document in documents:
        try:
            found = _object(document, base)
            objects.setdefault(found.name, (found, document))
        except Faults as error:
            faults += [_of_document(each, document, file) for each in error.faults]
    faults += _same_names(documents, file)
    faults += _between(objects, file)
    if faults:
        raise as_one(faults)
    places = {name: f"{file}:{document.fields['name'].line}" for name, (_, document) in objects.items()}
    return [found for found, _ in objects.values()], places


def _between(objects: dict[str, tuple[SpecObject, Document]], file: str) -> Iterator[SpecError]:
    models = [found for found, _ in objects.values() if isinstance(found, Model)]
    tenants = [found for found, _ in objects.values() if isinstance(found, Tenant)]
    routes = [found for found, _ in objects.values() if isinstance(found, Route)]
    for name, fault in faults_between(models, tenants, routes):
        document = objects[name][1]
        where = Fault(fault.message, fault.hint, document.path(fault.path), of_key=fault.of_key)
        yield _of_document(where, document, file)


def _object(document: Document, base: str) -> SpecObject:
    """Raises Faults, with paths in the document."""
    if document.faults and not document.fields:
        raise Faults(document.faults)
    faults = list(document.faults)
    try:
        found = object_of(document.kind, {key: node.plain() for key, node in document.fields.items()}, base=base)
    except Faults as error:
        faults += [Fault(e.message, e.hint, document.path(e.path), of_key=e.of_key) for e in error.faults]
    if faults:
        raise Faults(faults)
    return found


def _same_names(documents: list[Document], file: str) -> Iterator[SpecError]:
    first: dict[str, int] = {}
    for document in documents:
        node = document.fields.get("name")
        if node is None or not isinstance(node.value, str):
            continue
        if line := first.get(node.value):
            message = f"{node.value} stands twice, first at {file}:{line}"
            fault = Fault(message, "callers could not tell them apart: choose another name", document.path(("name",)))
            yield _of_document(fault, document, file)
        else:
            first[node.value] = node.line


def _of_document(fault: Fault, document: Document, file: str) -> SpecError:
    line, column = locate(document.root, fault.path, of_key=fault.of_key)
    return SpecError(fault.message, hint=fault.hint, file=file, line=line, column=column, field=".".join(fault.path))


def _of_text(fault: TreeFault, file: str) -> SpecError:
    return SpecError(fault.message, hint=fault.hint, file=file, line=fault.line, column=fault.column)

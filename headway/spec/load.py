"""The user's file into Models: text in, values out, or one SpecError that carries every fault of the file.

Reading the file is the caller's: `load(path.read_text(), str(path), str(path.parent.absolute()))`.
"""

from __future__ import annotations

from collections.abc import Iterator

from headway.errors import SpecError
from headway.spec.check import as_one, model_of
from headway.spec.document import Document, locate, open_document
from headway.spec.fault import Fault, Faults
from headway.spec.model import Model
from headway.spec.tree import TreeFault, parse

__all__ = ["load"]

SMALLEST = "kind: Model, name: chat, source: builtin://smollm2-135m-instruct"


def load(text: str, file: str, base: str) -> list[Model]:
    """`file` is named in errors; relative `file://` sources are seen from the absolute folder `base`.

    Raises SpecError: the first fault, with all further ones as its `others`.
    """
    try:
        tree = parse(text)
    except TreeFault as fault:
        raise _of_text(fault, file) from None
    if not tree.documents:
        raise SpecError("found no document", hint=f"the smallest has three lines: {SMALLEST}", file=file)
    documents = [open_document(root) for root in tree.documents]
    faults = [_of_text(each, file) for each in tree.faults]
    models = []
    for document in documents:
        try:
            models.append(_model(document, base))
        except Faults as error:
            faults += [_of_document(each, document, file) for each in error.faults]
    faults += _same_names(documents, file)
    if faults:
        raise as_one(faults)
    return models


def _model(document: Document, base: str) -> Model:
    """Raises Faults, with paths in the document."""
    if document.faults and not document.fields:
        raise Faults(document.faults)
    faults = list(document.faults)
    try:
        model = model_of({key: node.plain() for key, node in document.fields.items()}, base=base)
    except Faults as error:
        faults += [Fault(e.message, e.hint, document.path(e.path), of_key=e.of_key) for e in error.faults]
    if faults:
        raise Faults(faults)
    return model


def _same_names(documents: list[Document], file: str) -> Iterator[SpecError]:
    first: dict[str, int] = {}
    for document in documents:
        node = document.fields.get("name")
        if node is None or not isinstance(node.value, str):
            continue
        if line := first.get(node.value):
            message = f"{node.value} stands twice, first in line {line}"
            fault = Fault(message, "callers could not tell them apart: choose another name", document.path(("name",)))
            yield _of_document(fault, document, file)
        else:
            first[node.value] = node.line


def _of_document(fault: Fault, document: Document, file: str) -> SpecError:
    line, column = locate(document.root, fault.path, of_key=fault.of_key)
    return SpecError(fault.message, hint=fault.hint, file=file, line=line, column=column, field=".".join(fault.path))


def _of_text(fault: TreeFault, file: str) -> SpecError:
    return SpecError(fault.message, hint=fault.hint, file=file, line=fault.line, column=fault.column)

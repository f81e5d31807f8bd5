"""Names of the objects of a Model. A name says what a person looks for, and fits: it is cut before its hash is."""

from __future__ import annotations

import hashlib

from headway.spec.revision import Revision

__all__ = ["app_name", "cache_name", "model_name", "revision_name"]

LONGEST = 52
"""Characters: a StatefulSet adds 11 to its own and makes a label of it (63)."""


def model_name(model: str) -> str:
    """Of what all Revisions share. A Service's name begins with a letter (RFC 1035)."""
    return _whole(model)


def app_name(app: str) -> str:
    """Of all that an App has."""
    return _whole(f"{app}-app")


def revision_name(revision: Revision) -> str:
    """`chat-l4-fp8-3f2a…`: Deployment, Service and claim templates of one Revision."""
    said = f"{revision.model}-{revision.variant}" if revision.variant else revision.model
    return _fit(said, revision.id)


def cache_name(revision: Revision, form: str) -> str:
    """Of a claim with weights: all Revisions of a Model that need the same ones share it."""
    content = "\n".join((revision.source.uri, revision.source.commit, revision.source.digest, form))
    return _fit(f"{revision.model}-weights", _hash(content))


def _whole(said: str) -> str:
    return _fit(said, "") if len(said) <= LONGEST else _fit(said, _hash(said))


def _fit(said: str, end: str) -> str:
    letter = said if said[:1].isalpha() else f"m-{said}"
    if not end:
        return letter[:LONGEST].rstrip("-")
    return f"{letter[: LONGEST - len(end) - 1].rstrip('-')}-{end}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]

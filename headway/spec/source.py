"""Where a model comes from: `scheme://path`, for the hub also `@revision` and one file of the repository.

    hf://org/name                        the whole repository (an engine picks the file)      org/name is the same
    hf://org/name@rev                    at a branch, tag or commit; a `/` in its name is written %2F
    hf://org/name@rev/path/file.gguf     one GGUF file of it; `@rev` may be left out
    file:///models/my.gguf               ./my.gguf, ../my.gguf and /models/my.gguf are the same as with file://
    builtin://NAME  openai://MODEL  s3://…  gs://…  pvc://…  oci://…  ollama://…

`str(source)` is the one canonical text. Pure: nothing is looked up, so a relative file stays relative until `within`.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace

from headway.spec.fault import Fault, describe, nearest

__all__ = ["SCHEMES", "Source"]

SCHEMES = ("builtin", "file", "hf", "s3", "gs", "pvc", "oci", "ollama", "openai")
"""All that the user's file may name; which of them work where is the engines' business (docs/models.md)."""

FORM = "write scheme://path, e.g. builtin://smollm2-135m-instruct, hf://org/name or file://./model.gguf"
HF_FORM = "write hf://org/name[@revision][/file.gguf]"
LONGEST = 1024

_HF = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[\w.-]+|[A-Za-z0-9][\w.%+-]{0,254}))?"
    r"(?:/(?P<file>.+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Source:
    """`path` is without scheme, revision and file: `org/name` for hf. `revision` and `file` are for hf alone."""

    scheme: str
    path: str
    revision: str = ""
    file: str = ""

    @classmethod
    def parse(cls, text: str) -> Source:
        """Raises Fault (a ValueError) with the accepted forms. A bare `org/name` is `hf://org/name`."""
        scheme, sep, path = text.partition("://")
        if not sep:
            scheme, path = ("file" if text.startswith(("./", "../", "/")) else "hf"), text
        if scheme not in SCHEMES:
            raise _unknown_scheme(text, scheme, path)
        if not path or len(text) > LONGEST or not text.isprintable() or (" " in text and scheme != "file"):
            raise Fault(f"found {describe(text)}", FORM)
        if scheme == "hf":
            return _parse_hf(text, path, bare=not sep)
        if scheme == "file" and path.startswith("~"):
            raise Fault(f"found {describe(text)}", "write the whole path instead of ~")
        return cls(scheme, path)

    @property
    def is_relative(self) -> bool:
        return self.scheme == "file" and not self.path.startswith("/")

    def within(self, base: str) -> Source:
        """A relative file as an absolute one, seen from the folder `base`; everything else as it is."""
        if self.scheme != "file":
            return self
        return replace(self, path=posixpath.normpath(posixpath.join(base, self.path)))

    def __str__(self) -> str:
        revision = f"@{self.revision.replace('/', '%2F')}" if self.revision else ""
        return f"{self.scheme}://{self.path}{revision}" + (f"/{self.file}" if self.file else "")


def _parse_hf(text: str, path: str, *, bare: bool) -> Source:
    match = _HF.fullmatch(path)
    file = (match and match["file"]) or ""
    is_gguf = file.casefold().endswith(".gguf")
    if match is None or (bare and file and not is_gguf):
        raise Fault(f"found {describe(text)}", FORM if bare else HF_FORM)
    if file and not is_gguf:
        raise Fault(
            f"found the file {describe(file)}", "only a .gguf file can be picked; leave it out for the whole model"
        )
    if any(part in ("", ".", "..") for part in file.split("/") if file):
        raise Fault(f"found {describe(text)}", HF_FORM)
    return Source("hf", match["repo"], (match["revision"] or "").replace("%2F", "/"), file)


def _unknown_scheme(text: str, scheme: str, path: str) -> Fault:
    host, _, rest = path.partition("/")
    if scheme in ("http", "https") and host in ("huggingface.co", "hf.co"):
        repo = "/".join(rest.split("/")[:2])
        return Fault(f"found {describe(text)}", f"write hf://{repo}" if _HF.fullmatch(repo) else HF_FORM)
    meant = nearest(scheme, SCHEMES)
    found = f"unknown scheme {describe(scheme)}"
    return Fault(found, f"did you mean {meant}://?" if meant else f"use one of {', '.join(SCHEMES)}")

"""Where a model comes from: `scheme://path[@revision]`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SCHEMES", "Source"]

SCHEMES = ("builtin", "file", "hf", "s3", "gs", "pvc", "oci", "ollama", "openai")
"""All that the user's file may name; which of them work where is the engines' business (docs/models.md)."""


@dataclass(frozen=True, slots=True)
class Source:
    """hf://org/name[@revision][/file.gguf]… parsed once. `path` is without scheme and revision."""

    scheme: str
    path: str
    revision: str = ""

    @classmethod
    def parse(cls, text: str) -> Source:
        """Raises ValueError with the accepted forms. A bare `org/name` is `hf://org/name`."""
        scheme, sep, rest = text.partition("://")
        if not sep:
            scheme, rest = "hf", text
        if scheme not in SCHEMES:
            raise ValueError(f"unknown scheme {scheme!r}; use one of {', '.join(SCHEMES)}")
        path, _, revision = rest.partition("@") if scheme == "hf" else (rest, "", "")
        if not path or (not sep and path.count("/") != 1):
            raise ValueError(
                f"found {text!r}; write scheme://path, e.g. hf://org/name@main or builtin://smollm2-135m-instruct"
            )
        return cls(scheme, path, revision)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}" + (f"@{self.revision}" if self.revision else "")

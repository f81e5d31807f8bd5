"""The Sites of this user: one file each, as they would stand in any other file, and which of them is in use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import ResourceError, SpecError
from headway.paths import StateDir

if TYPE_CHECKING:
    from headway.spec.site import Site

__all__ = ["LOCAL", "KnownSites"]

LOCAL = "local"
"""This machine: always there, and in use until another is."""


class KnownSites:
    def __init__(self, state: StateDir | None = None) -> None:
        self._folder = (state or StateDir.default()).sites

    def names(self) -> list[str]:
        return sorted(each.stem for each in self._folder.glob("*.yaml"))

    def get(self, name: str) -> Site | None:
        """Raises SpecError for a file that somebody broke."""
        path = self._folder / f"{name}.yaml"
        return site_of_file(path) if name in self.names() else None

    def used(self) -> str:
        """The name that `--on` has where nobody gives it."""
        try:
            name = (self._folder / "used").read_text("utf-8").strip()
        except OSError:
            return LOCAL
        return name if name in self.names() else LOCAL

    def add(self, site: Site) -> None:
        self._write(f"{site.name}.yaml", _yaml(site))

    def remove(self, name: str) -> None:
        """`used` then means this machine again."""
        (self._folder / f"{name}.yaml").unlink(missing_ok=True)

    def use(self, name: str) -> None:
        self._write("used", f"{name}\n")

    def _write(self, name: str, text: str) -> None:
        """Whole or not at all."""
        fresh = self._folder / f".{name}.{os.getpid()}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(self._folder / name)
        except OSError as error:
            raise ResourceError(f"{self._folder / name} cannot be written: {error.strerror}") from error


def site_of_file(path: Path) -> Site:
    """The one Site of a file. Raises SpecError."""
    from headway.cli.target import read  # noqa: PLC0415

    sites = [each for each in read(str(path))[0] if each.kind == "Site"]
    if len(sites) != 1:
        found = f"several Sites: {', '.join(each.name for each in sites)}" if sites else "no Site"
        raise SpecError(f"holds {found}", hint="write one kind: Site in it", file=str(path))
    return sites[0]


def _yaml(site: Site) -> str:
    from io import StringIO  # noqa: PLC0415

    from ruamel.yaml import YAML  # noqa: PLC0415

    written, yaml = StringIO(), YAML()
    yaml.default_flow_style = None
    fields = site.model_dump(mode="json", by_alias=True, exclude_unset=True)
    yaml.dump({"kind": "Site", "name": site.name} | fields, written)
    return written.getvalue()

"""A package index in a folder, for pip as it is: wheels and sdists made on the spot, no network."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

BACKEND = """
import pathlib, tarfile

def get_requires_for_build_wheel(settings=None):
    return []

def prepare_metadata_for_build_wheel(folder, settings=None):
    name = "{name}-{version}.dist-info"
    (pathlib.Path(folder) / name).mkdir()
    text = "Metadata-Version: 2.1\\nName: {dashed}\\nVersion: {version}\\n"
    (pathlib.Path(folder) / name / "METADATA").write_text(text)
    return name

def build_wheel(folder, settings=None, metadata=None):
    raise SystemExit("this wrapper is never built")
"""


class Index:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The only one pip knows, whatever the user's settings are."""
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(self.folder))

    def wheel(self, name: str, files: Mapping[str, bytes], version: str = "1.0") -> Path:
        path = self.folder / f"{name}-{version}-py3-none-any.whl"
        about = f"{name}-{version}.dist-info"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for inside, content in files.items():
                archive.writestr(inside, content)
            archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{about}/RECORD", "")
        return path

    def sdist(self, name: str, files: Mapping[str, bytes], version: str = "1.0") -> tuple[Path, str]:
        """An sdist whose metadata needs no other package to be had; its path and SHA-256."""
        path = self.folder / f"{name}-{version}.tar.gz"
        backend = BACKEND.format(name=name, dashed=name.replace("_", "-"), version=version)
        project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        own = {"pyproject.toml": project.encode(), "backend.py": backend.encode()}
        with tarfile.open(path, "w:gz") as archive:
            for inside, content in (own | dict(files)).items():
                entry = tarfile.TarInfo(f"{name}-{version}/{inside}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

"""Each test has its own cache, state and hub cache, so none sees another's; the llama-server is shared.

`shared_cache` gives the real cache instead, for tests of the built-in models: those are fetched once.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.engines import REAL_CACHE, find_llama_server


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HEADWAY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in [name for name in os.environ if name.startswith(("HF_HUB_", "HF_ENDPOINT", "HEADWAY_VLLM"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def shared_cache(own_folders: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWAY_CACHE_DIR", str(REAL_CACHE))
    return REAL_CACHE


@pytest.fixture
def llama_server(own_folders: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, which the engines then find too; without one the test is skipped."""
    found = find_llama_server()
    if found is None:
        pytest.skip(
            "no llama-server: set HEADWAY_TEST_LLAMA_SERVER, or build one: python -m headway.engines.llama_build"
        )
    monkeypatch.setenv("HEADWAY_LLAMA_SERVER", str(found))
    return found

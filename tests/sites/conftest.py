from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sites import engines_of, kill_all_of


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state directory of the test's own; nothing of it runs afterwards."""
    state = tmp_path / "state"
    yield state
    kill_all_of(state)
    assert engines_of(state) == []

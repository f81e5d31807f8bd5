from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import Headway


@pytest.fixture
def headway(tmp_path: Path) -> Iterator[Headway]:
    """A fresh Headway, nothing running; everything is ended afterwards."""
    made = Headway(tmp_path)
    yield made
    made.close()
    assert made.processes() == [], "something of ours still runs"

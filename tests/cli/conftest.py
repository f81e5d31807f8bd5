from __future__ import annotations

from collections.abc import Iterator

import pytest

from headway.paths import StateDir
from tests.support.cli import FakeControl, FakeGateway
from tests.support.running import Headway
from tests.support.snapshots import a_snapshot


@pytest.fixture
def control(headway: Headway) -> Iterator[FakeControl]:
    """Answers where the `headway` of this test looks for its control process."""
    made = FakeControl(StateDir(headway.state), a_snapshot())
    yield made
    made.close()


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    made = FakeGateway()
    yield made
    made.close()

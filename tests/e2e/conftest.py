from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.running import EXAMPLES, Headway


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headway]:
    """One Headway for a whole file of tests, with the three built-in models up."""
    made = Headway(tmp_path_factory.mktemp("serving"))
    made.up_ok(EXAMPLES / "all.yaml")
    yield made
    made.close()

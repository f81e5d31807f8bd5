from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.engines import builtin, llama_build
from headway.errors import HeadwayError
from tests.support.running import Headway


def pytest_configure() -> None:
    """Tests with a real llama-server and model find both by name; here they are, if this machine can have them."""
    if server := llama_build.find():
        os.environ.setdefault("HEADWAY_TEST_LLAMA_SERVER", str(server))
    known = builtin.find("smollm2-135m-instruct")
    with contextlib.suppress(HeadwayError):  # no network, no cache: those tests are skipped and say so
        os.environ.setdefault("HEADWAY_TEST_SMOLLM2", str(builtin.prepare(known, lambda _: None) / known.weights))


@pytest.fixture
def headway(tmp_path: Path) -> Iterator[Headway]:
    """A fresh Headway, nothing running; everything is ended afterwards."""
    made = Headway(tmp_path)
    yield made
    made.close()
    assert made.processes() == [], "something of ours still runs"

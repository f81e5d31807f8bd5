from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from headway.engines import builtin, llama_build
from headway.errors import HeadwayError
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.running import Headway

settings.register_profile("headway", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no timings
settings.load_profile("headway")


def pytest_configure() -> None:
    """Tests with a real llama-server and model find both by name; here they are, if this machine can have them."""
    # Hundreds of Pythons are started: without compiled files each would compile all of Headway anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if server := llama_build.find():
        os.environ.setdefault("HEADWAY_TEST_LLAMA_SERVER", str(server))
    known = builtin.find("smollm2-135m-instruct")
    with contextlib.suppress(HeadwayError):  # no network, no cache: those tests are skipped and say so
        os.environ.setdefault("HEADWAY_TEST_SMOLLM2", str(builtin.prepare(known, lambda _: None) / known.weights))


def pytest_collection_finish() -> None:
    """What is there now stays: the collector need not walk all of it in mid-test, for tenths of a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def headway(tmp_path: Path) -> Iterator[Headway]:
    """A fresh Headway, nothing running; everything is ended afterwards."""
    made = Headway(tmp_path)
    yield made
    made.close()
    assert made.processes() == [], "something of ours still runs"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests; each makes itself a database in it."""
    yield from start_postgres()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """2 MB; root alone can mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder]
    mounted = subprocess.run(argv, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)

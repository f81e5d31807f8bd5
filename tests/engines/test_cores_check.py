"""Measuring the processor: numpy's figures are plausible, and a real llama-server says what it took."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headway.engines import builtin, cores_check
from headway.errors import EngineError
from tests.support.processes import is_gone
from tests.support.running import eventually


def test_copies_and_products_are_counted() -> None:
    assert 1e7 < cores_check.copied(2, 1 << 20) < 1e13
    assert 1e7 < cores_check.multiplied(64) < 1e14


def test_a_model_that_is_not_here_is_not_measured(tmp_path: Path) -> None:
    assert cores_check.model_here() is None


def test_a_server_that_ends_is_an_error() -> None:
    with pytest.raises(EngineError, match="llama-server ended with status"):
        list(cores_check.llama_steps(Path(sys.executable), Path("none.gguf"), 1))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_server_does_not_outlive_us(tmp_path: Path) -> None:
    """Whoever measures is killed where nothing can be cleaned up; the server (here one that sleeps) ends with it."""
    server = tmp_path / "llama-server"
    told = tmp_path / "pid"
    body = f"pathlib.Path({str(told)!r}).write_text(f'{{os.getpid()}} '); time.sleep(600)"
    server.write_text(f"#!{sys.executable}\nimport os, pathlib, time\n{body}")
    server.chmod(0o755)
    load = "from pathlib import Path; from headway.engines.cores_check import llama_steps"
    code = f"{load}; list(llama_steps(Path({str(server)!r}), Path('x'), 1))"
    with subprocess.Popen([sys.executable, "-c", code]) as measuring:
        eventually(lambda: told.exists() and told.read_text().endswith(" "))
        pid = int(told.read_text())
        measuring.kill()
    eventually(lambda: is_gone(pid))


def test_a_real_llama_server_is_measured(llama_server: Path, shared_cache: Path) -> None:
    known = builtin.find(cores_check.MODEL)
    weights = known.folder / known.weights
    if not weights.is_file():
        pytest.skip(f"{known.name} has not been fetched here")
    (found,) = cores_check.llama_steps(llama_server, weights, 1, prompts=(16,))
    assert (found.prompt, found.context) == (16, 16 + cores_check.ANSWER // 2)
    assert found.prefill > 0
    assert found.decode > 0

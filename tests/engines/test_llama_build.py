"""The build of llama-server, tried on a program of three lines: the real pip, cmake, ninja and compiler."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from headway.engines import llama_build, llama_compile
from headway.engines.base import Progress
from headway.engines.llama_compile import Recipe
from headway.errors import Cancelled, EngineError, SourceError
from tests.support.engines import Reports
from tests.support.processes import named
from tests.support.wheels import Index

CMAKE = """
cmake_minimum_required(VERSION 3.14)
project(tiny CXX)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_executable(llama-server main.cpp)
"""
WORKS = '#include <cstdio>\nint main() { std::puts("version: 1"); return 0; }\n'
SLEEPS = "add_custom_command(OUTPUT slow COMMAND sleep 600)\nadd_custom_target(llama-server DEPENDS slow)\n"

pytestmark = pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """And a machine on which no llama-server is found."""
    made = Index(tmp_path / "index")
    monkeypatch.delenv("HEADWAY_LLAMA_SERVER", raising=False)
    monkeypatch.setattr(llama_build, "PROGRAM", "llama-server-of-a-test")
    if not (shutil.which("cmake") and shutil.which("ninja")):
        pytest.skip("no cmake and ninja on PATH, and the index of this test has none")
    made.use(monkeypatch)
    return made


def recipe(index: Index, main: str = WORKS, cmake: str = CMAKE) -> Recipe:
    files = {
        "llama.cpp/CMakeLists.txt": cmake.encode(),
        "llama.cpp/main.cpp": main.encode(),
        "llama.cpp/../escape": b"never",
        "wrapper/__init__.py": b"raise SystemExit('never run')",
    }
    _, sha256 = index.sdist("tiny_llama", files)
    return Recipe(
        version="7",
        requirement="tiny-llama==1.0",
        sha256=sha256,
        sdist_bytes=2_000,
        folder="llama.cpp",
        flags=("-DCMAKE_BUILD_TYPE=Release",),
        target="llama-server",
        product="bin/llama-server",
        cpu_seconds=10,
        disk_bytes=5_000_000,
    )


def left_over(tmp_path: Path) -> list[str]:
    made = (tmp_path / "cache/engines/llama.cpp").glob("*/*")
    return [path.name for path in made if not path.name.endswith(".lock")]


def test_it_is_built_once_under_the_key_of_this_host(index: Index, tmp_path: Path) -> None:
    reports = Reports()
    tiny = recipe(index)
    program = llama_build.ensure(reports, tiny)
    assert program.parent.name == f"7-{llama_build.key()}"
    assert os.access(program, os.X_OK)
    assert left_over(tmp_path) == [program.name]
    steps = [each for each in reports if each.stage == "build" and each.total]
    assert all(each.eta is not None and each.eta >= 0 for each in steps)
    again = Reports()
    assert llama_build.ensure(again, replace(tiny, requirement="nothing==0")) == program
    assert "build" not in {each.stage for each in again}


def test_another_host_does_not_run_it(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = recipe(index)
    llama_build.ensure(Reports(), tiny)
    assert llama_build.cached(recipe=tiny) is not None
    monkeypatch.setattr(llama_build, "_cpu", lambda: "an older cpu")
    llama_build.key.cache_clear()
    try:
        assert llama_build.cached(recipe=tiny) is None
    finally:
        monkeypatch.undo()
        llama_build.key.cache_clear()


def test_a_compilers_error_is_quoted_and_the_log_kept(index: Index, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        llama_build.ensure(Reports(), recipe(index, main="int main() { return undeclared; }\n"))
    said = str(caught.value)
    assert "does not build (ninja)" in said
    assert "undeclared" in said
    log = tmp_path / "cache/logs/build-llama-server.log"
    assert str(log) in said
    assert "undeclared" in log.read_text()
    assert "\n" not in said
    assert left_over(tmp_path) == []


def test_cmakes_error_is_quoted(index: Index, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"does not build \(cmake\)"):
        llama_build.ensure(Reports(), recipe(index, cmake=CMAKE + 'message(FATAL_ERROR "no such thing")\n'))
    assert left_over(tmp_path) == []


def test_a_program_that_does_not_run_is_not_kept(index: Index, tmp_path: Path) -> None:
    broken = '#include <cstdio>\nint main() { std::fputs("illegal instruction", stderr); return 4; }\n'
    with pytest.raises(EngineError, match="does not run: illegal instruction"):
        llama_build.ensure(Reports(), recipe(index, main=broken))
    assert left_over(tmp_path) == []


def test_other_sources_than_trusted(index: Index, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has the digest"):
        llama_build.ensure(Reports(), replace(recipe(index), sha256="0" * 64))
    assert left_over(tmp_path) == []


def test_cancelling_ends_the_compilers(index: Index, tmp_path: Path) -> None:
    def running() -> list[psutil.Process]:
        return named(psutil.Process().children(recursive=True), "sleep", "ninja")

    def report(progress: Progress) -> None:
        if progress.stage == "build" and named(running(), "sleep"):
            raise Cancelled("stopped")

    slow = "cmake_minimum_required(VERSION 3.14)\nproject(tiny NONE)\n" + SLEEPS
    with pytest.raises(Cancelled):
        llama_build.ensure(report, recipe(index, cmake=slow))
    assert running() == []
    assert left_over(tmp_path) == []


def test_without_a_compiler_it_is_said_how_to_get_one(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(EngineError, match=r"apt-get install g\+\+"):
        llama_build.foresee()
    with pytest.raises(EngineError, match="no C"):
        llama_build.ensure(Reports(), recipe(index))


def test_one_on_path_comes_before_the_cache(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "bin" / llama_build.PROGRAM
    there.parent.mkdir()
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    monkeypatch.setenv("PATH", f"{there.parent}:{os.environ['PATH']}")
    assert llama_build.ensure(Reports(), recipe(index)) == there
    monkeypatch.setenv("HEADWAY_LLAMA_SERVER", shutil.which("true") or "/bin/true")
    assert llama_build.ensure(Reports()).name == "true"


def test_the_estimate_starts_with_what_was_measured_and_ends_at_nothing() -> None:
    reports = Reports()
    steps = llama_compile.Steps(reports, 360.0)
    steps.tell()
    steps.line("[104/208] Building CXX object x.o")
    steps.line("ninja: some other line")
    steps.tell()
    steps.line("[208/208] Linking")
    steps.tell()
    first, middle, last = reports
    assert first.eta is not None
    assert middle.eta is not None
    assert first.total is None
    assert first.eta > middle.eta > 0
    assert (middle.done, middle.total, middle.unit) == (104, 208, "steps")
    assert last.eta == 0

"""What `headway up` may be pointed at, and what it says when it cannot read it. Nothing is started for any of it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from headway.cli import target
from headway.cli.words import duration, one_line, size
from headway.errors import HeadwayError, SpecError, UsageError
from tests.support.running import Headway

CHAT = "kind: Model\nname: chat\nsource: file://m.gguf\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def source(asked: str | None) -> str:
    (model,), _, _ = target.read(asked)
    return str(model.source)


def test_a_file_and_what_is_relative_to_it(here: Path) -> None:
    (here / "folder").mkdir()
    (here / "folder/m.yaml").write_text(CHAT)
    models, origin, places = target.read("folder/m.yaml")
    assert [each.name for each in models] == ["chat"]
    assert models[0].source == f"file://{here}/folder/m.gguf"
    assert origin == str(here / "folder/m.yaml")
    assert places == {"chat": f"{here}/folder/m.yaml:2"}


def test_the_file_of_this_folder(here: Path) -> None:
    with pytest.raises(UsageError, match=r"no file given, and no headway\.yaml here; try: headway up smollm2"):
        target.read(None)
    (here / "headway.yaml").write_text(CHAT)
    assert source(None) == f"file://{here}/m.gguf"


def test_standard_input(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CHAT.encode())))
    assert source("-") == f"file://{here}/m.gguf"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("smollm2-135m-instruct", "builtin://smollm2-135m-instruct"),
        ("hf://org/name-GGUF@main", "hf://org/name-GGUF@main"),
        ("org/name-GGUF", "hf://org/name-GGUF"),
        ("./m.gguf", "file://HERE/m.gguf"),
        ("m.gguf", "file://HERE/m.gguf"),
    ],
)
def test_a_model_by_its_name(here: Path, asked: str, expected: str) -> None:
    assert source(asked) == expected.replace("HERE", str(here))


def test_what_cannot_be_read(here: Path) -> None:
    (here / "folder.yaml").mkdir()
    (here / "bytes.yaml").write_bytes(b"kind: \xff\xfe")
    (here / "large.yaml").write_bytes(b"#" * (target.LARGEST_FILE + 1))
    for name, told in {
        "none.yaml": "none.yaml: cannot be read: No such file or directory; check the path",
        "folder.yaml": "folder.yaml: cannot be read: Is a directory; check the path",
        "bytes.yaml": "bytes.yaml: not UTF-8 text (byte 6); give a YAML or JSON file that says what to serve",
        "large.yaml": "large.yaml: larger than 10 MB; give a YAML or JSON file that says what to serve",
    }.items():
        with pytest.raises(SpecError) as caught:
            target.read(name)
        assert str(caught.value) == told


def test_a_word_that_means_nothing() -> None:
    with pytest.raises(HeadwayError, match="no file and no built-in model 'smollm2'; did you mean smollm2-135m"):
        target.read("smollm2")


def test_wrong_use_starts_nothing(headway: Headway) -> None:
    for arguments in (["up", "--port", "0", "x"], ["up", "--timeout", "-1", "x"], ["frobnicate"], ["status"]):
        done = headway.run(*arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr
        assert "python -m" not in done.stderr
    assert not headway.state.exists()


def test_a_schema_that_cannot_be_written(headway: Headway) -> None:
    done = headway.run("schema", "--out", "/no/such/folder/schema.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: /no/such/folder/schema.json: No such file or directory; ")


def test_numbers_as_people_read_them() -> None:
    assert [size(each) for each in (0, 999, 1500, 98e6, 1.25e9)] == ["0 B", "999 B", "1.5 kB", "98 MB", "1.2 GB"]
    assert [duration(each) for each in (0.02, 4.24, 90, 600, 9000)] == ["20 ms", "4.2 s", "90 s", "10 min", "2 h"]
    assert one_line("two\nlines \x1b[31mred\x07") == "two lines [31mred"

"""`headway perf evaluate` on files that the test writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headway.cli.main import app
from headway.errors import UsageError
from tests.support.performance import measured_row


def written(path: Path, rows: Iterable[Mapping[str, str]]) -> Path:
    found = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    return path


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["perf", "evaluate", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def refused(*arguments: str | Path) -> str:
    with pytest.raises(UsageError) as caught:
        CliRunner().invoke(app, ["perf", "evaluate", *map(str, arguments)], catch_exceptions=False)
    return str(caught.value)


ROWS = (
    measured_row(),
    measured_row(id="two", tp_size="8", silicon_ttft_ms="109", silicon_tpot_ms="9.7"),
    measured_row(id="none", model_path="nobody/Model-9000"),
)


def test_errors_of_each_group_and_of_all(tmp_path: Path) -> None:
    told = run(written(tmp_path / "rows.csv", ROWS))
    assert "h200_sxm  meta-llama/Llama-3.1-70B  vllm" in told
    all_of_them = next(line for line in told.splitlines() if line.startswith("all"))
    assert all_of_them.split()[1:3] == ["3", "2"]
    assert "not predicted: 1 rows (line 4): " in told
    assert "picked by prediction: " in told


def test_rows_are_written_with_their_predictions(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    run(written(tmp_path / "rows.csv", ROWS), "-o", out)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted"] for row in rows] == ["yes", "yes", "no"]
    assert rows[0]["id"] == "one"
    first = {name: float(rows[0][name]) for name in rows[0] if name.startswith("predicted_")}
    assert first["predicted_tpot_lo_ms"] < first["predicted_tpot_ms"] < first["predicted_tpot_hi_ms"]
    assert first["predicted_ttft_lo_ms"] < first["predicted_ttft_ms"] < first["predicted_ttft_hi_ms"]


def test_evaluating_what_was_written_replaces_the_columns(tmp_path: Path) -> None:
    out, again = tmp_path / "out.csv", tmp_path / "again.csv"
    run(written(tmp_path / "rows.csv", ROWS), "-o", out)
    run(out, "-o", again)
    assert out.read_text() == again.read_text()


def test_rows_that_were_not_measured_are_predicted_all_the_same(tmp_path: Path) -> None:
    bare = {name: value for name, value in measured_row().items() if not name.startswith("silicon_t")}
    out = tmp_path / "out.csv"
    told = run(written(tmp_path / "rows.csv", [bare, bare]), "-o", out)
    assert "2 rows have no measured silicon_ttft_ms and silicon_tpot_ms: predicted, not compared" in told
    with out.open(newline="") as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == ["yes", "yes"]
    half = written(tmp_path / "half.csv", [measured_row(), measured_row(silicon_tpot_ms="", silicon_ttft_ms="")])
    assert next(line for line in run(half).splitlines() if line.startswith("all")).split()[1] == "1"


def test_lines_of_windows_and_columns_in_any_order(tmp_path: Path) -> None:
    row = measured_row(isl="1024.0", osl="1024.0", batch_size="16.0", extra="x, y")
    turned = dict(reversed(row.items()))
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(turned), lineterminator="\r\n")
        writer.writeheader()
        writer.writerow(turned)
    all_of_them = next(line for line in run(path).splitlines() if line.startswith("all"))
    assert all_of_them.split()[1:3] == ["1", "1"]


def test_json(tmp_path: Path) -> None:
    told = json.loads(run(written(tmp_path / "rows.csv", ROWS), "--json"))
    whole = told["groups"][-1]
    assert (whole["rows"], whole["predicted"]) == (3, 2)
    assert 0 < whole["tpot"]["mean"] < 1
    assert told["not_predicted"][0]["line"] == 4


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent.csv").startswith(f"{tmp_path / 'absent.csv'}: No such file or directory")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert refused(empty).startswith(f"{empty}:1: no rows")
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    assert refused(other).startswith(f"{other}:1: no column backend, model_path")
    torn = written(tmp_path / "torn.csv", [measured_row(), measured_row(isl="many")])
    assert refused(torn).startswith(f"{torn}:3: isl is 'many', not a number")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    assert str(binary) in refused(binary)
    wide = tmp_path / "wide.csv"
    wide.write_text("a,b\n1,2,3\n")
    assert refused(wide).startswith(f"{wide}:2: more values than columns")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.csv", ROWS[:1])
    assert "No such file or directory" in refused(rows, "-o", tmp_path / "absent" / "out.csv")

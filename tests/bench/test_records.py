"""Records in files: what is printed is computed from them again to the last digit; no fault loses what came before."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.bench import parquet
from headway.bench.facts import RunFacts
from headway.bench.record import Record
from headway.bench.records import BATCH, RecordWriter, read_records
from headway.bench.schema import Slo
from headway.bench.summary import summarise
from headway.errors import ResourceError, SpecError, UsageError
from tests.support.bench_records import answer, facts, failed, served

NO_PYARROW = pytest.mark.skipif(not importlib.util.find_spec("pyarrow"), reason="pip install 'headway[bench]'")
FORMATS = ["jsonl", pytest.param("parquet", marks=NO_PYARROW)]

moment = st.floats(0, 100, allow_nan=False)
maybe = st.none() | moment
count = st.none() | st.integers(0, 10_000)
text = st.text(max_size=8)


def made() -> st.SearchStrategy[Record]:
    """Any record that the types allow, sane or not."""
    return st.builds(
        Record,
        number=st.integers(0, 10**9),
        stage=st.integers(0, 1),
        operation=st.sampled_from(["chat", "completion", "embedding"]),
        model=text,
        due=moment,
        started=maybe,
        sent=maybe,
        first_byte=maybe,
        first=maybe,
        last=maybe,
        ended=maybe,
        status=st.sampled_from([0, 200, 429, 500]),
        error=st.sampled_from(["", "", "", "http", "timeout", "cancelled", "unsent"]),
        said=text,
        tenant=text,
        adapter=text,
        session=st.integers(-1, 5),
        stream=st.booleans(),
        planned_prompt=st.integers(0, 5000),
        prompt_tokens=count,
        cached_tokens=count,
        wanted_tokens=st.integers(0, 5000),
        output_tokens=count,
        retry_after=maybe,
        gaps=st.lists(st.integers(0, 10**7), max_size=6),
        sizes=st.lists(st.integers(0, 50), max_size=7),
        sized_by=st.sampled_from(["", "tokens", "bytes"]),
        text=text,
    )


def written(folder: Path, form: str, records: list[Record], run: RunFacts, slo: list[Slo]) -> Path:
    writer = RecordWriter(folder / f"records.{form}", form)
    for record in records:
        writer.add(record)
    writer.close(run, slo)
    return writer.path


@pytest.mark.parametrize("form", FORMATS)
@given(records=st.lists(made(), max_size=20))
@settings(max_examples=40)
def test_any_records_come_back_as_they_were(tmp_path_factory, form: str, records: list[Record]) -> None:
    run = facts(60.0, 20.0, cv=1.0, started_at=1.7e9 + 0.1234567)
    run.stages.append(msgspec.structs.replace(run.stages[0], name="two", start=60.0, end=101.0))
    slo = [Slo(ttft=0.2, itl=0.05, model="m"), Slo(tpot=0.1, e2e=3.3)]
    path = written(tmp_path_factory.mktemp("run"), form, records, run, slo)
    again = read_records(path)
    assert again.records == records
    assert (again.facts, again.slo, again.notes) == (run, slo, [])
    assert again.facts is not None
    printed = msgspec.json.encode(summarise(records, run, slo))
    assert msgspec.json.encode(summarise(again.records, again.facts, again.slo)) == printed


@pytest.mark.parametrize("form", FORMATS)
def test_a_whole_run_is_computed_again_from_its_file_alone(tmp_path: Path, form: str) -> None:
    records = [*served(20, 22, 60, 2), *[failed(5000 + n, n * 1.7, status=429) for n in range(30)]]
    run, slo = facts(60.0, 20.0, cv=1.0), [Slo(ttft=0.2, itl=0.05)]
    path = written(tmp_path, form, records, run, slo)
    assert path == tmp_path / f"records.{form}"
    again = read_records(path)
    assert again.facts is not None
    assert summarise(again.records, again.facts, again.slo) == summarise(records, run, slo)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_file_whose_writer_was_killed_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = written(tmp_path, "jsonl", [answer(n, n * 0.1) for n in range(10)], facts(), [])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:7]) + lines[7][:20])
    cut = read_records(path)
    assert (len(cut.records), cut.facts) == (7, None)
    assert cut.notes == [f"{path}: its last line is cut short; the 7 records before it were read"]
    path.write_bytes(b"".join(lines[:7]))
    assert "it ends without the run's own facts" in read_records(path).notes[0]
    path.write_bytes(b"")
    assert read_records(path).records == []


def test_batches_are_in_the_file_while_the_run_goes_on(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "records.jsonl")
    for n in range(BATCH + 5):
        writer.add(answer(n))
    assert len(read_records(writer.path).records) == BATCH
    writer.close(facts())
    assert len(read_records(writer.path).records) == BATCH + 5


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"number": 1}\n', "records.jsonl:1: no record of a request (Object missing required field `stage`)"),
        (b"hello\nworld\n", "records.jsonl:1: no record of a request"),
    ],
)
def test_another_file_is_named_with_its_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        read_records(path)
    assert told in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file or directory"):
        read_records(tmp_path / "records.jsonl")


@NO_PYARROW
@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"x" * 100])
def test_parquet_that_is_cut_short(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "records.parquet"
    path.write_bytes(content)
    with pytest.raises(SpecError, match="cannot be read as Parquet"):
        read_records(path)


@NO_PYARROW
def test_parquet_of_somebody_else(tmp_path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    pq.write_table(pa.table({"a": [1]}), tmp_path / "records.parquet")
    with pytest.raises(SpecError, match="no records of headway bench"):
        read_records(tmp_path / "records.parquet")


def test_what_is_missing_or_wrong_is_said_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="need pyarrow, which is not installed; pip install"):
        RecordWriter(tmp_path / "records.parquet", "parquet")
    with pytest.raises(UsageError, match="no such format of records: csv"):
        RecordWriter(tmp_path / "records.csv", "csv")
    with pytest.raises(ResourceError, match="No such file or directory"):
        RecordWriter(tmp_path / "nowhere" / "records.jsonl")


def test_a_full_disk_costs_the_records_that_no_longer_fit(small_disk: Path) -> None:
    writer = RecordWriter(small_disk / "records.jsonl")
    faults = []
    for n in range(20 * BATCH):
        try:
            writer.add(answer(n, n * 0.01, gaps=[1000] * 200))
        except ResourceError as error:
            faults.append(error)
    writer.close(facts())
    assert len(faults) == 1
    assert f"No space left on device; the {writer.kept} records before that are kept" in str(faults[0])
    assert writer.kept + writer.dropped == 20 * BATCH
    again = read_records(writer.path)
    assert [each.number for each in again.records] == list(range(writer.kept))
    assert writer.kept >= BATCH
    assert len(again.notes) == 1


@NO_PYARROW
def test_a_disk_too_full_for_parquet_leaves_the_records_as_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(parquet, "write", full)
    writer = RecordWriter(tmp_path / "records.parquet", "parquet")
    writer.add(answer())
    with pytest.raises(
        ResourceError, match=r"records.parquet: No space left on device; the records are in .*\.parquet\.jsonl"
    ):
        writer.close(facts())
    assert len(read_records(writer.path).records) == 1

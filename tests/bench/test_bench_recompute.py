"""The raw records of a run are all that its figures need: read again, they give the very same Summary."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import msgspec
import pytest

from headway.bench.records import RecordWriter, read_records
from headway.bench.schema import Slo
from headway.bench.summary import summarise
from tests.support.bench import bench, workload
from tests.support.mock_engine import engines

FORMS = ["jsonl", pytest.param("parquet", marks=pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed: pip install 'headway[bench]'"
))]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
async def test_the_records_of_an_ugly_run_recompute_its_summary(form: str, tmp_path: Path) -> None:
    mix = [
        {"weight": 3, "output": "1..20", "slo": {"ttft": "60ms"}},
        {"weight": 1, "stream": False},
        {"weight": 1, "operation": "embedding"},
        {"weight": 1, "cancel": {"share": 0.5, "after": 2}},
    ]
    load = workload(arrivals={"rate": "60/s"}, lasts="1s", mix=mix)
    faults = ("--fault", "status=500", "--fault", "error-after=2", "--fault", "reset-after=1", "--fault-share", "0.2")
    scripts = ("--script", "chunk=3", "--script", "usage=none", "--script", "first=empty usage=last")
    async with engines("--ttft", "0.03", "--itl", "0.004", *faults, *scripts) as to:
        run = await bench(to, load, slo=Slo(ttft=0.05, itl=0.01))
    assert {each.error for each in run.records} > {"", "http", "stream"}
    writer = RecordWriter(path := tmp_path / f"records.{form}", form)
    for record in run.records:
        writer.add(record)
    assert run.slo is not None
    writer.close(run.facts, [run.slo])
    kept = read_records(path)
    again = summarise(kept.records, kept.facts, kept.slo)
    assert msgspec.json.encode(again) == msgspec.json.encode(run.summary())

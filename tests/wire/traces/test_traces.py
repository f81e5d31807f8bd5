"""Trace files: each format from a file as its authors write it, told apart by itself, faults with their line."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tracemalloc
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway.bench.record import Record
from headway.errors import SpecError
from headway.gateway.record import Record as GatewayRecord
from headway.perf.traffic.schedule import traffic
from headway.perf.traffic.trace import Call
from headway.policy.prefix import BOUNDARIES
from headway.spec.check import workload_from_json
from headway.store.request_log import RequestLog, RequestRow
from headway.wire.traces import read_trace, trace_of
from tests.support.traces import shared_trace

AZURE_2023 = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2023-11-16 18:15:51.2224670,0,55
2023-11-16 18:15:51.3910170,91,16
"""
AZURE_2024 = """\
TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.009930+00:00,2162,5
2024-05-10 00:00:00.017335+00:00,2399,6
2024-05-10 00:00:01+00:00,76,15
"""
BURSTGPT_1 = """\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,230,1317,Conversation log
1106,ChatGPT,0,0,0,Conversation log
1129,GPT-4,1305,477,1782,API log
"""
BURSTGPT_2 = """\
Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type
5.5,17,12.25,ChatGPT,472,18,490,Conversation log
45,17,3,ChatGPT,1087,230,1317,Conversation log
50,,1.5,GPT-4,12,0,12,API log
60,,,GPT-4,12,7,19,API log
"""
MOONCAKE = """\
{"timestamp": 0, "input_length": 1300, "output_length": 500, "hash_ids": [0, 1, 2]}
{"timestamp": 3052, "input_length": 1100, "output_length": 490, "hash_ids": [0, 1, 3]}

{"timestamp": 4000, "input_length": 900, "output_length": 0, "hash_ids": [0, 4]}
{"timestamp": 5000.5, "input_length": 40, "output_length": 3}
"""
SERVEGEN = "client,t_start_s,rate_rps,cv,dist,param1,param2\n" + "".join(
    f"{client},{start},{rate},1,{law},{shape},0.1\n"
    for start in (0, 600, 1200)
    for client, rate, law, shape in ((61, 5, "Gamma", 0.5), (7, 2, "Weibull", 0.6), (8, 0, "Exponential", ""))
)
SERVEGEN_LENGTHS = "".join(
    json.dumps(
        {"client": client, "mean_rate_rps": 5, "t": "0", "input_tokens_q": [10, 20, 30], "output_tokens_q": [4, 8]}
    )
    + "\n"
    for client in ("61", "7")
)


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def calls(path: Path, start: float = 0.0, end: float = float("inf"), **how: Any) -> list[Call]:
    return list(read_trace(path, **how).calls(start, end, 1))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "noending"])
@pytest.mark.parametrize("before", ["", "\ufeff"], ids=["plain", "bom"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_azure_2023(tmp_path: Path, name: str, before: str, ends: str) -> None:
    path = written(tmp_path, name, before + AZURE_2023.replace("\n", ends))
    trace = read_trace(path)
    found = list(trace.calls(0, 1e9, 1))
    assert (trace.format, trace.passed_over) == ("azure", 1)
    assert [(each.prompt_tokens, each.output_tokens) for each in found] == [(374, 44), (396, 109), (91, 16)]
    assert [each.at for each in found] == pytest.approx([0, 4.314579, 4.710427], abs=1e-5)


def test_azure_2024(tmp_path: Path) -> None:
    found = calls(written(tmp_path, "t.csv", AZURE_2024))
    assert [each.at for each in found] == pytest.approx([0, 0.007405, 0.99007], abs=1e-6)


def test_columns_may_stand_in_any_order_with_others_between(tmp_path: Path) -> None:
    text = 'Region,generatedtokens,TIMESTAMP," ContextTokens"\neu,5,2024-05-10 00:00:00,7.0\n'
    (found,) = calls(written(tmp_path, "t.csv", text))
    assert (found.prompt_tokens, found.output_tokens) == (7, 5)


def test_burstgpt_1(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "t.csv", BURSTGPT_1))
    found = list(trace.calls(0, 1e9, 1))
    assert (trace.format, trace.passed_over) == ("burstgpt", 1)
    assert [(each.at, each.model, each.session, each.answer) for each in found] == [
        (0, "ChatGPT", "", None),
        (40, "ChatGPT", "", None),
        (1124, "GPT-4", "", None),
    ]


def test_burstgpt_2_has_sessions(tmp_path: Path) -> None:
    found = calls(written(tmp_path, "t.csv", BURSTGPT_2))
    assert [(each.session, each.answer) for each in found] == [("17", 12.25), ("17", 3.0), ("", None)]
    replay = workload_from_json({"name": "w", "trace": {"file": str(tmp_path / "t.csv")}})
    first, second, _ = traffic(replay, trace_of(replay))
    assert (second.session, second.turn, second.think) == (first.session, 1, pytest.approx(39.5 - 12.25))
    assert second.prompt[:1] == first.prompt


def test_mooncake(tmp_path: Path) -> None:
    trace = read_trace(written(tmp_path, "t.jsonl", MOONCAKE))
    found = list(trace.calls(0, 1e9, 1))
    assert (trace.format, trace.passed_over) == ("mooncake", 1)
    assert [each.at for each in found] == pytest.approx([0, 3.052, 5.0005])
    assert found[0].blocks == ((0, 512), (1, 512), (2, 512))
    assert found[2].blocks == ()


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_servegen(tmp_path: Path, packed: str) -> None:
    path = written(tmp_path, f"m.traces.csv{packed}", SERVEGEN)
    written(tmp_path, "m.lengths.jsonl.gz", SERVEGEN_LENGTHS)
    trace = read_trace(path)
    assert trace.format == "servegen"
    found = list(trace.calls(0, 1e9, 1))
    assert len(found) / 1800 == pytest.approx(7, rel=0.15)
    assert all(before.at <= after.at for before, after in pairwise(found))
    assert {each.output_tokens for each in found} <= set(range(4, 9))
    assert list(trace.calls(0, 1e9, 1)) == found
    assert list(trace.calls(700, 1300, 1)) == [each for each in found if 700 <= each.at < 1300]
    assert list(trace.calls(0, 1e9, 2)) != found


def test_servegen_without_its_lengths(tmp_path: Path) -> None:
    path = written(tmp_path, "m.traces.csv", SERVEGEN)
    with pytest.raises(SpecError, match=r"there is no m\.lengths\.jsonl beside it; name the two"):
        calls(path)
    written(tmp_path, "m.lengths.jsonl", '{"client": "61", "t": "0"}\n')
    with pytest.raises(SpecError, match=r"m\.lengths\.jsonl: found no lengths; fetch the file again"):
        calls(path)
    written(tmp_path, "m.lengths.jsonl", SERVEGEN_LENGTHS.splitlines()[0] + '\n{"client": "7", "t": "0"}\n')
    found = calls(path)
    assert len(found) / 1800 == pytest.approx(7, rel=0.15), "client 7 has the lengths of the others"
    assert {each.prompt_tokens for each in found} <= set(range(10, 31))


FAULTS = [
    ("t.csv", AZURE_2023.replace(",396,", ",lots,"),
     "3: found 'lots' in the column contexttokens; it is to be a whole number: mend or remove the line"),
    ("t.csv", AZURE_2023.replace(",396,", ",-1,"),
     "3: found '-1' in the column contexttokens; it is to be a whole number from"),
    ("t.csv", AZURE_2023.replace(",396,", ",nan,"), "3: found 'nan' in the column contexttokens; "),
    ("t.csv", AZURE_2023.replace(",396,109", ",396"),
     "3: found 2 cells, but the header names 3 columns; remove the line"),
    ("t.csv.gz", AZURE_2023.replace("2023-11-16 18:15:50", "yesterday"),
     "3: found 'yesterday.9951690' in the column timestamp; it is to be a time like 2023-11-16 18:15:46.6805900"),
    ("t.csv", BURSTGPT_1.replace("45,", "x,"), "3: found 'x' in the column timestamp; it is to be a number"),
    ("t.csv", BURSTGPT_2.replace(",3,", ",soon,"), "3: found 'soon' in the column elapsed time; it is to be a number"),
    ("t.jsonl", MOONCAKE.replace("3052,", '"x",'), "2: not a request of Mooncake: Expected `float`, got `str`"),
    ("t.jsonl", MOONCAKE.replace('{"timestamp": 3052', "{"), "2: not a request of Mooncake: "),
    ("t.jsonl", MOONCAKE.replace("1100", "-5"), "2: found a negative length; a line is to be like"),
    ("t.csv", "a,b\n1,2\n",
     "1: found 'a,b', which begins no trace that Headway knows; the formats are azure (TIMESTAMP"),
    ("t.csv", "", "1: the file is empty; the formats are azure (TIMESTAMP"),
    ("t.jsonl", '{"a": 1}\n', "1: found '{\"a\": 1}', which begins no trace that Headway knows; "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "fault"), FAULTS, ids=[each[2][:40] for each in FAULTS])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str, fault: str) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(SpecError) as found:
        calls(path)
    assert str(found.value).startswith(f"{path}:{fault}")
    assert "\n" not in str(found.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    rows = "".join(f"2023-11-16 18:15:46.{each:06},{each + 1},{each % 7 + 1}\n" for each in range(9000))
    cut.write_bytes(gzip.compress((AZURE_2023 + rows).encode())[:-400])
    binary = tmp_path / "binary.csv"
    binary.write_bytes(AZURE_2023.encode() + b"\xff\xfe,1,2\n")
    for path, fault in (
        (tmp_path / "none.csv", "none.csv: cannot be read: No such file or directory; check the path"),
        (tmp_path, ": a folder; name a file; only the folders of ServeGen (chunk-1-trace.csv, ...) are traces"),
        (binary, "binary.csv:6: not UTF-8 text (byte 0 of the line); give a text file, or its .gz"),
    ):
        with pytest.raises(SpecError) as found:
            calls(path)
        assert str(found.value).endswith(fault)
    with pytest.raises(SpecError, match=r"cut\.csv\.gz.*: its compressed data is broken .*; fetch the file again"):
        calls(cut)


def test_a_format_that_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "t.csv", AZURE_2023)
    assert len(calls(path, format="azure")) == 3
    with pytest.raises(SpecError, match=r"t\.csv:1: the header has no column Timestamp|the header has no column Model"):
        calls(path, format="burstgpt")
    with pytest.raises(SpecError, match="not of the format headway; leave the format out"):
        calls(path, format="headway")
    with pytest.raises(SpecError, match="no format 'csv'; use one of auto, azure, burstgpt"):
        calls(path, format="csv")


def test_lines_that_are_a_little_out_of_order_are_sorted(tmp_path: Path) -> None:
    rows = "".join(f"{each ^ 3},ChatGPT,{each + 1},5,9,API log\n" for each in range(100))
    found = calls(written(tmp_path, "t.csv", BURSTGPT_1.splitlines()[0] + "\n" + rows))
    assert [each.at for each in found] == list(range(100))
    far = "".join(f"{each},ChatGPT,1,5,9,API log\n" for each in (*range(10, 6000), 3))
    path = written(tmp_path, "far.csv", BURSTGPT_1.splitlines()[0] + "\n" + far)
    with pytest.raises(
        SpecError, match=r"far\.csv:5992: it goes back by .* s, past more than 4096 requests; sort the file"
    ):
        calls(path)


def test_a_large_file_does_not_lie_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(BURSTGPT_1.splitlines()[0] + "\n")
        file.writelines(f"{each},ChatGPT,100,5,105,API log\n" for each in range(30_000))
    trace = read_trace(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in trace.calls(0, 1e9, 1)) == 30_000
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4e6, "4096 requests are held back, about 1 MB; all of them take 9 MB"
    assert len(list(islice(trace.calls(10, 20, 1), 100))) == 10


def row(number: int, **more: Any) -> RequestRow:
    fields: dict[str, Any] = {
        "id": f"r{number}", "at": 1000.0 + number, "kept": "sample", "fraction": 0.01, "sampled": number % 2 == 0,
        "model": "chat", "tenant": "a", "operation": "chat", "revision": "", "status": 200, "ttft": 0.1,
        "duration": 0.5, "prompt_tokens": 500, "cached_tokens": 0, "completion_tokens": 20, "max_tokens": None,
        "prompt_bytes": 2000, "session": b"", "blocks": bytes(range(24)), "epoch": b"e" * 8, "record": b"{}",
    }  # fmt: skip
    return RequestRow(**fields | more)


def test_headways_own_request_log(tmp_path: Path) -> None:
    path = tmp_path / "requests.db"
    log = RequestLog(path)
    rows = [
        row(0),
        row(1, blocks=bytes(range(16)) + b"otherone", session=b"abcdefgh"),
        row(2, status=503, completion_tokens=None),
        row(3, operation="embeddings", completion_tokens=None, model="embed", blocks=b""),
        row(4, operation="messages", session=b"abcdefgh"),
        row(5, operation="other"),
    ]
    log.add(rows, 1000.0)
    trace = read_trace(path)  # while the gateway still has it open
    found = list(trace.calls(0, 1e9, 1))
    log.close()
    assert (trace.format, trace.passed_over) == ("headway", 2)
    assert [(each.at, each.operation, each.model) for each in found] == [
        (0, "chat", "chat"),
        (1, "chat", "chat"),
        (3, "embedding", "embed"),
        (4, "chat", "chat"),
    ]
    assert [tokens for _, tokens in found[0].blocks] == [128, 128, 128]  # 512 bytes each, at 4 bytes a token
    assert BOUNDARIES[1] == 512
    assert found[0].blocks[:2] == found[1].blocks[:2]
    assert found[0].blocks[2] != found[1].blocks[2]
    assert found[1].session == found[3].session != ""
    assert found[1].answer == 0.5
    assert len(calls(path, format="headway-sampled")) == 2
    document = {"name": "w", "trace": {"file": str(path)}}
    planned = list(traffic(workload_from_json(document), read_trace(path)))
    assert planned[0].prompt[:2] == planned[1].prompt[:2]
    assert (planned[3].turn, planned[3].think) == (1, pytest.approx(2.5))


def test_a_database_that_is_no_request_log(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE things (a INTEGER)")
    other.close()
    with pytest.raises(
        SpecError, match=r"other\.db: cannot be read as a request log: no such table: requests; give the"
    ):
        calls(path)


def test_records_of_a_gateway(tmp_path: Path) -> None:
    good = GatewayRecord(1, "a", 50.0, "/v1/chat/completions", "chat", "t", True, 200, duration=2.0,
                         prompt_tokens=30, completion_tokens=7)  # fmt: skip
    failed = GatewayRecord(2, "b", 51.0, "/v1/chat/completions", "chat", status=503)
    late = GatewayRecord(3, "c", 49.0, "/v1/embeddings", "embed", status=200, prompt_tokens=5)
    text = b"\n".join(msgspec.json.encode(each) for each in (good, failed, late)).decode() + "\n"
    trace = read_trace(written(tmp_path, "r.jsonl", text))
    found = list(trace.calls(0, 1e9, 1))
    assert (trace.format, trace.passed_over) == ("headway-records", 1)
    assert [(each.at, each.operation, each.prompt_tokens, each.output_tokens) for each in found] == [
        (0, "embedding", 5, 0),
        (1, "chat", 30, 7),
    ]


def test_records_of_a_run_are_sent_again_as_they_were_planned(tmp_path: Path) -> None:
    records = [
        Record(0, 0, "chat", "m", 0.25, planned_prompt=30, wanted_tokens=7, session=4, ended=1.0, status=200),
        Record(1, 0, "chat", "m", 0.5, planned_prompt=30, wanted_tokens=7, error="timeout"),
    ]
    text = b"\n".join(msgspec.json.encode(each) for each in records).decode() + "\n"
    found = calls(written(tmp_path, "records.jsonl.gz", text))
    assert [(each.at, each.prompt_tokens, each.output_tokens, each.session, each.answer) for each in found] == [
        (0, 30, 7, "4", 0.75),
        (0.25, 30, 7, "", None),
    ]


def test_the_recorded_azure_conversations() -> None:
    trace = read_trace(shared_trace("azure_llm_2023_conv.csv"))
    found = list(trace.calls(0, 1e9, 1))
    assert len(found) + trace.passed_over == 10_108
    assert found[-1].at == pytest.approx(1800, abs=5)
    document = {"name": "w", "trace": {"file": "x", "speed": 20}}
    made = traffic(workload_from_json(document), trace)
    assert all(each.at == pytest.approx(call.at / 20, abs=1e-6) for each, call in zip(made, found, strict=True))
    assert made.seconds == pytest.approx(90, abs=1)


def test_the_recorded_mooncake_conversations() -> None:
    trace = read_trace(shared_trace("mooncake_conversation.jsonl"))
    document = {"name": "w", "trace": {"file": "x"}}
    found = list(traffic(workload_from_json(document), trace))
    assert len(found) + trace.passed_over == 5606
    seen: set[int] = set()
    shared = total = 0
    for each, call in zip(found, trace.calls(0, 1e9, 1), strict=True):
        assert each.prompt_tokens == call.prompt_tokens
        for piece in each.prompt:
            if piece.id not in seen:
                break
            shared += piece.tokens
        total += each.prompt_tokens
        seen.update(piece.id for piece in each.prompt)
    assert 0.2 < shared / total < 0.6, "what an endless cache would save: about 40 % (Mooncake, FAST 2025)"


def test_the_recorded_laws_of_servegen() -> None:
    trace = read_trace(shared_trace("servegen/m-large.traces.csv.gz"))
    found = list(trace.calls(3600, 3660, 1))
    assert found
    assert all(3600 <= each.at < 3660 for each in found)
    assert list(trace.calls(3600, 3630, 1)) == [each for each in found if each.at < 3630]
    # 162 clients in that window of ten minutes, 317.9 requests a second together.
    assert sum(1 for _ in trace.calls(36000, 36600, 1)) / 600 == pytest.approx(317.9, rel=0.05)


def test_a_folder_of_servegen_as_its_repository_has_it(tmp_path: Path) -> None:
    written(tmp_path, "chunk-3-trace.csv", "0,10,1.4,Gamma,0.5,0.2\n600,0.0,0,,0,0\n1200,5,1,Exponential,0,0.2\n")
    written(tmp_path, "chunk-4-trace.csv", "0,0,0,,0,0\n600,2,1.7,Weibull,0.6,0.3\n1200,0,0,,0,0\n")
    lengths = {"0": {"input_tokens": "{10: 0.25, 30: 0.75}", "output_tokens": "{7: 1.0}"}}
    for client in (3, 4):
        written(tmp_path, f"chunk-{client}-dataset.json", json.dumps(lengths))
    trace = read_trace(tmp_path)
    found = list(trace.calls(0, 1e9, 1))
    assert trace.format == "servegen"
    assert sum(each.at < 600 for each in found) == pytest.approx(6000, rel=0.1)
    assert sum(600 <= each.at < 1200 for each in found) == pytest.approx(1200, rel=0.2)
    assert {each.output_tokens for each in found} == {7}
    assert sum(each.prompt_tokens == 30 for each in found) / len(found) == pytest.approx(0.75, abs=0.03)
    assert list(trace.calls(1200, 1300, 1)) == [each for each in found if 1200 <= each.at < 1300]
    written(tmp_path, "chunk-4-trace.csv", "0,1,0,Lomax,1,1\n")
    with pytest.raises(
        SpecError, match=r"chunk-4-trace\.csv:1: found 'Lomax'; the law of the gaps is to be one of Gamma"
    ):
        list(trace.calls(0, 1e9, 1))
    written(tmp_path, "chunk-4-trace.csv", "0,1,1,Gamma,1,1\n")
    written(tmp_path, "chunk-4-dataset.json", '{"0": {"input_tokens": "{1: ", "output_tokens": "{}"}}')
    with pytest.raises(SpecError, match=r"chunk-4-dataset\.json: not lengths of ServeGen: .*; fetch the folder again"):
        list(trace.calls(0, 1e9, 1))

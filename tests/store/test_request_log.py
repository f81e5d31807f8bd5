"""The request log: bounded by rows, age and what the disk has free."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from headway.errors import HeadwayError, ResourceError
from headway.store.request_log import RequestLimits, RequestLog, RequestRow

DAY = 86400.0


def row(name: str, at: float = 0.0, size: int = 2) -> RequestRow:
    return RequestRow(
        id=name,
        at=at,
        kept="sample",
        fraction=0.01,
        sampled=True,
        model="chat",
        tenant="acme",
        operation="chat",
        revision="r1",
        status=200,
        ttft=0.1,
        duration=0.2,
        prompt_tokens=7,
        cached_tokens=2,
        completion_tokens=3,
        max_tokens=None,
        prompt_bytes=20,
        session=b"",
        blocks=bytes(16),
        epoch=b"1234",
        record=bytes(size),
    )


def test_the_newest_of_an_id_is_found(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "r.db")
    log.add([row("a", size=1), row("b"), row("a", size=9)], now=0.0)
    assert log.find("a") == bytes(9)
    assert log.find("c") is None
    log.close()
    again = RequestLog(tmp_path / "r.db")
    assert again.find("b") == bytes(2)
    assert (tmp_path / "r.db").stat().st_mode & 0o777 == 0o600
    again.close()


def test_it_keeps_so_many_rows(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "r.db", RequestLimits(rows=10))
    for batch in range(5):
        log.add([row(f"{batch}-{n}") for n in range(4)], now=float(batch))
    assert log.find("2-1") is None
    assert [bool(log.find(each)) for each in ("2-2", "2-3", "3-0", "4-3")] == [True] * 4
    log.close()


def test_it_forgets_what_is_old(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "r.db", RequestLimits(days=2.0))
    log.add([row("old", at=100.0), row("new", at=3 * DAY)], now=200.0)
    assert log.find("old")
    log.add([row("later", at=3 * DAY)], now=3 * DAY)
    assert log.find("old") is None
    assert log.find("new")
    log.close()


def test_it_leaves_the_rest_of_the_disk_to_others(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "r.db", RequestLimits(free_bytes=1 << 60))
    with pytest.raises(ResourceError, match=r"no requests are logged below .* MiB; free some"):
        log.add([row("a")], now=0.0)
    assert log.find("a") is None
    log.close()


def test_a_disk_without_a_byte_costs_the_rows_and_no_more(small_disk: Path) -> None:
    log = RequestLog(small_disk / "r.db", RequestLimits(free_bytes=0))
    log.add([row("before")], now=0.0)
    with suppress(OSError), (small_disk / "other").open("wb") as other:
        while other.write(bytes(4096)):
            other.flush()
    with pytest.raises(ResourceError, match="small"):
        log.add([row(f"full-{n}", size=4000) for n in range(100)], now=1.0)
    assert log.find("before")
    assert log.find("full-0") is None
    (small_disk / "other").unlink()
    log.add([row("after")], now=2.0)
    assert log.find("after")
    log.close()


def test_a_file_that_is_none_of_ours_is_told(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_bytes(b"something else" * 100)
    with pytest.raises(HeadwayError, match="cannot be used"):
        RequestLog(tmp_path / "r.db")

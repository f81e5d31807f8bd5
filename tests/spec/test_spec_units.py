"""Units: what people write becomes seconds, bytes and cores, and is written back to the very same number."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.spec.fault import Fault
from headway.spec.units import (
    LARGEST_SIZE,
    format_cpu,
    format_duration,
    format_quantity,
    format_size,
    parse_cpu,
    parse_duration,
    parse_quantity,
    parse_size,
)
from tests.support.spec import attempt

READ: list[tuple[Callable[[str], float], str, float]] = [
    (parse_duration, "500ms", 0.5),
    (parse_duration, "10m", 600),
    (parse_duration, "1h30m", 5400),
    (parse_duration, "1d", 86400),
    (parse_duration, "1.5s", 1.5),
    (parse_duration, "0.1ms", 0.0001),
    (parse_duration, "1m1s1ms", 61.001),
    (parse_size, "24GB", 24 * 10**9),
    (parse_size, "24 GB", 24 * 10**9),
    (parse_size, "1.5GiB", 3 * 2**29),
    (parse_size, "512MB", 512 * 10**6),
    (parse_size, "1.1GB", 1_100_000_000),
    (parse_size, "16Gi", 16 * 2**30),
    (parse_size, "16G", 16 * 10**9),
    (parse_size, "1KB", 1000),
    (parse_size, "1kB", 1000),
    (parse_size, "7B", 7),
    (parse_cpu, "2", 2.0),
    (parse_cpu, "500m", 0.5),
    (parse_cpu, "0.25", 0.25),
    (parse_quantity, "200k", 200_000),
    (parse_quantity, "1.5M", 1_500_000),
    (parse_quantity, "12", 12),
]

REFUSED: list[tuple[Callable[[str], float], str, str]] = [
    (parse_duration, "500", "found '500', which has no unit; write a duration like 500ms, 10m or 1h30m"),
    (parse_duration, "10min", "found '10min'; write a duration like 500ms, 10m or 1h30m"),
    (parse_duration, "-1s", "found '-1s'; write a duration like 500ms, 10m or 1h30m"),
    (parse_duration, "", "found ''; write a duration like 500ms, 10m or 1h30m"),
    (parse_duration, "30m1h", "found '30m1h'; write the parts of a duration from large to small, like 1h30m"),
    (parse_duration, "1m1m", "found '1m1m'; write the parts of a duration from large to small, like 1h30m"),
    (parse_size, "24", "found '24', which has no unit; write a size like 24GB, 512MB or 1.5GiB"),
    (parse_size, "24gb", "found '24gb'; did you mean 24GB?"),
    (parse_size, "1.5gib", "found '1.5gib'; did you mean 1.5GiB?"),
    (parse_size, "512m", "found '512m'; did you mean 512MB?"),
    (parse_size, "lots", "found 'lots'; write a size like 24GB, 512MB or 1.5GiB"),
    (parse_size, "9999TB", "found '9999TB', more than any machine has; write a size like 24GB, 512MB or 1.5GiB"),
    (parse_cpu, "two", "found 'two'; write cores like 2, 0.5 or 500m"),
    (parse_cpu, "1.2.3", "found '1.2.3'; write cores like 2, 0.5 or 500m"),
    (parse_quantity, "200kB", "found '200kB'; write a count like 500, 200k or 1.5M"),
    (parse_quantity, "1.5", "found '1.5', which is no whole number; write a count like 500, 200k or 1.5M"),
]


@pytest.mark.parametrize(("parse", "text", "number"), READ, ids=lambda each: getattr(each, "__name__", str(each)))
def test_reads(parse: Callable[[str], float], text: str, number: float) -> None:
    assert parse(text) == number


@pytest.mark.parametrize(("parse", "text", "message"), REFUSED, ids=lambda each: getattr(each, "__name__", str(each)))
def test_refuses_with_the_accepted_form(parse: Callable[[str], float], text: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (format_duration(0.5), "500ms"),
        (format_duration(5400), "1h30m"),
        (format_duration(90.5), "1m30.5s"),
        (format_duration(0), "0s"),
        (format_size(24 * 10**9), "24GB"),
        (format_size(3 * 2**29), "1.5GiB"),
        (format_size(1_395_864_371), "1395864371B"),
        (format_size(0), "0B"),
        (format_cpu(2.0), "2"),
        (format_cpu(0.5), "500m"),
        (format_cpu(1 / 3), "0.3333333333333333"),
        (format_quantity(200_000), "200k"),
        (format_quantity(123), "123"),
    ],
)
def test_writes_the_shortest(written: str, text: str) -> None:
    assert written == text


@given(st.floats(1e-6, 1e9))
def test_durations_come_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, LARGEST_SIZE))
def test_sizes_come_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(1, 10**5), st.sampled_from(["kB", "MB", "GB", "KiB", "MiB", "GiB"]))
def test_round_sizes_stay_short(number: int, unit: str) -> None:
    assert len(format_size(parse_size(f"{number}{unit}"))) <= len(f"{number}{unit}")


@given(st.floats(0.001, 4096))
def test_cores_come_back(cores: float) -> None:
    assert parse_cpu(format_cpu(cores)) == cores


@given(st.integers(0, 10**12))
def test_quantities_come_back(count: int) -> None:
    assert parse_quantity(format_quantity(count)) == count


@given(st.text(max_size=40), st.sampled_from([parse_duration, parse_size, parse_cpu, parse_quantity]))
def test_any_text_is_read_or_refused(text: str, parse: Callable[[str], float]) -> None:
    found = attempt(lambda: parse(text))
    if isinstance(found, ValueError):
        assert isinstance(found, Fault)
        assert len(str(found).splitlines()) == 1
    else:
        assert found >= 0

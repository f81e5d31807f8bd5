"""ITL weighs tokens, not chunks: k tokens after a gap g are k gaps of g / k."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headway.bench.gaps import Gaps, sized_by
from headway.bench.record import Record
from tests.support.bench_records import answer


def pairs(*records: Record, wanted: list[bool] | None = None) -> list[tuple[int, int, int]]:
    """(whose, microseconds, tokens) of each."""
    gaps = Gaps.of(records, wanted or [True] * len(records))
    micros = [round(each * 1e6) for each in gaps.seconds.tolist()]
    return list(zip(gaps.owner.tolist(), micros, gaps.tokens.tolist(), strict=True))


def test_one_token_a_chunk_where_nothing_else_is_known() -> None:
    plain = answer(gaps=[10_000, 30_000], output_tokens=None)
    assert pairs(plain) == [(0, 10_000, 1), (0, 30_000, 1)]
    assert sized_by(plain) == "chunks"


def test_a_chunk_that_the_server_gave_a_size_is_so_many_gaps() -> None:
    told = answer(gaps=[40_000, 10_000], sizes=[3, 4, 1], sized_by="tokens", output_tokens=8)
    assert pairs(told) == [(0, 10_000, 4), (0, 10_000, 1)]
    assert sized_by(told) == "tokens"


def test_tokens_beyond_one_a_chunk_are_given_out_by_bytes() -> None:
    # 8 tokens, 2 chunks: 1 each, and 6 by bytes: the first has 4 of 16, so 1.5, rounded 2
    shared = answer(gaps=[50_000], sizes=[4, 12], sized_by="bytes", output_tokens=8)
    assert pairs(shared) == [(0, 10_000, 5)]
    assert sized_by(shared) == "bytes"


def test_as_many_tokens_as_chunks_are_one_each_whatever_their_bytes() -> None:
    even = answer(gaps=[10_000, 10_000], sizes=[1, 30, 2], sized_by="bytes", output_tokens=3)
    assert pairs(even) == [(0, 10_000, 1), (0, 10_000, 1)]


def test_fewer_tokens_than_chunks_or_no_bytes_are_one_each() -> None:
    fewer = answer(gaps=[10_000, 10_000], sizes=[4, 4, 4], sized_by="bytes", output_tokens=2)
    empty = answer(gaps=[10_000], sizes=[0, 0], sized_by="bytes", output_tokens=9)
    wrong = answer(gaps=[10_000], sizes=[5], sized_by="tokens")
    assert {tokens for _, _, tokens in pairs(fewer, empty, wrong)} == {1}
    assert {sized_by(each) for each in (fewer, empty, wrong)} == {"chunks"}


def test_a_chunk_without_a_token_adds_its_gap_to_the_next() -> None:
    behind = answer(gaps=[10_000, 20_000, 30_000], sizes=[1, 0, 3, 1], sized_by="tokens")
    other = answer(gaps=[7_000, 5_000], sizes=[0, 1, 0], sized_by="tokens")
    assert pairs(behind, other) == [(0, 10_000, 3), (0, 30_000, 1), (1, 7_000, 1)]


def test_only_the_wanted_ones_are_there() -> None:
    rows = [answer(gaps=[1_000]), answer(gaps=[]), answer(gaps=[2_000, 3_000])]
    assert pairs(*rows, wanted=[False, True, True]) == [(2, 2_000, 1), (2, 3_000, 1)]
    assert pairs(*rows, wanted=[False, True, False]) == []


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(1, 60), min_size=2, max_size=9), st.integers(0, 90), st.sampled_from(["bytes", ""])
        ),
        min_size=1,
        max_size=5,
    )
)
def test_no_token_is_lost_or_made(streams: list[tuple[list[int], int, str]]) -> None:
    records = [
        answer(
            gaps=[1000 * (n + 1) for n in range(len(sizes) - 1)],
            sizes=sizes,
            sized_by=way,
            output_tokens=len(sizes) + more,
        )
        for sizes, more, way in streams
    ]
    gaps = Gaps.of(records, [True] * len(records))
    for place, record in enumerate(records):
        mine = gaps.owner == place
        seconds, tokens = gaps.seconds[mine], gaps.tokens[mine]
        assert abs((seconds * tokens).sum() - sum(record.gaps) * 1e-6) < 1e-9
        first = (record.output_tokens or 0) - int(tokens.sum())
        assert first >= 1 if record.sized_by else int(tokens.sum()) == len(record.gaps)
        assert (tokens >= 1).all()

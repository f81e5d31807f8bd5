"""Answers off the wire: however they are cut into reads, the body and its end are the same; what is wrong is
Malformed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.bench.framing import Framing, Malformed

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def fed(*pieces: bytes) -> tuple[Framing, bytes]:
    framing = Framing()
    return framing, b"".join([framing.feed(piece) for piece in pieces])


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[begin:end] for begin, end in pairwise(places)]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(0, 500), max_size=12))
def test_chunks_however_they_are_cut(chunks: list[bytes], at: list[int]) -> None:
    wire = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    pieces = cut(wire, at)
    framing, body = Framing(), b""
    for piece in pieces[:-1]:
        body += framing.feed(piece)
        assert not framing.whole
    body += framing.feed(pieces[-1])
    assert (body, framing.whole, framing.extra) == (b"".join(chunks), True, False)


@given(st.binary(max_size=60), st.lists(st.integers(0, 500), max_size=8))
def test_a_body_of_known_length_however_it_is_cut(body: bytes, at: list[int]) -> None:
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    framing, found = fed(*cut(wire, at))
    assert (found, framing.whole, framing.extra) == (body, True, False)


def test_one_read_that_is_one_chunk_is_that_chunk_and_no_more() -> None:
    framing, _ = fed(CHUNKED)
    assert framing.feed(b"5\r\nhello\r\n") == b"hello"
    assert framing.feed(b"A\r\n0123456789\r\n") == b"0123456789"
    assert framing.feed(b"3\r\nabc\r\n2\r\nde\r\n") == b"abcde"
    assert framing.feed(b"5\r\nhel") == b"hel"
    assert framing.feed(b"lo\r") == b"lo"
    assert framing.feed(b"\n") == b""
    assert framing.feed(b"5;name=value\r\nhello\r\n") == b"hello"
    assert not framing.whole
    assert framing.feed(b"0\r\nx-trailer: 1\r\n\r\n") == b""
    assert framing.whole


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    framing, body = fed(HEAD + b"\r\nabc", b"def")
    assert (body, framing.whole, framing.open_ended) == (b"abcdef", False, True)


def test_what_only_announces_the_answer_is_passed_over() -> None:
    framing, body = fed(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n", b"\r\n" + CHUNKED + b"1\r\na\r\n"
    )
    assert framing.head is not None
    assert (framing.head.status, body) == (200, b"a")


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_is_whole_with_its_head(status: int) -> None:
    framing, body = fed(b"HTTP/1.1 %d X\r\ntransfer-encoding: chunked\r\n\r\n" % status)
    assert (framing.whole, body) == (True, b"")


def test_more_than_the_answer_is_seen() -> None:
    assert fed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc")[0].extra
    assert fed(CHUNKED + b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")[0].extra


def test_what_the_head_says() -> None:
    framing, _ = fed(
        b"HTTP/1.1 429 Too Many\r\nX-Request-ID: Req-1\r\nRetry-After:  7 \r\nKeep-Alive: timeout=5, max=100\r\n"
        b"Content-Type: application/json\r\ncontent-length: 0\r\n\r\n"
    )
    head = framing.head
    assert head is not None
    assert (head.status, head.request_id, head.retry_after, head.stays) == (429, "Req-1", "7", 5.0)
    assert (head.keep, head.streams, head.length) == (True, False, 0)


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n", True),
    ],
)
def test_whether_the_connection_stays(line: bytes, keeps: bool) -> None:
    head = fed(line + b"content-length: 0\r\n\r\n")[0].head
    assert head is not None
    assert head.keep is keeps


@pytest.mark.parametrize(
    ("wire", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 OK\r\n\r\n", "no HTTP/1.1"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\n\r\n", "changes the protocol"),
        (HEAD + b"content-length: 1e3\r\n\r\n", "content-length"),
        (HEAD + b"content-encoding: gzip\r\n\r\n", "compressed"),
        (HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n", "transfer-encoding"),
        (CHUNKED + b"-5\r\nhello\r\n", "a chunk's size"),
        (CHUNKED + b"0x5\r\nhello\r\n", "a chunk's size"),
        (CHUNKED + b"\r\n", "a chunk's size"),
        (CHUNKED + b"5\r\nhello!!", "longer than it said"),
        (CHUNKED + b"a" * 70_000, "does not end"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, "does not end"),
    ],
)
def test_what_is_no_answer_is_said(wire: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        fed(wire)

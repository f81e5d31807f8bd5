"""Messages made by chance from a seed: good ones that were broken in one to three places, and a good one behind.

The pieces that are put in are those on which parsers differ; a few of the changes are plain noise.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from tests.gateway.hostile.corpus import PATH, REFUSED, SERVED, UNSERVED, call, chunks, post

__all__ = ["messages", "mutate"]

_LINES = (
    *(b"content-length: 5", b"content-length: 0", b"content-length: 5, 5", b"content-length: +5", b"Content-Length:5"),
    *(b"content-length : 5", b"content-length: 5\x0b", b"content-length:", b"content-length: 99999999999999999999"),
    *(b"transfer-encoding: chunked", b"transfer-encoding:chunked", b"Transfer-Encoding: xchunked"),
    *(b"transfer-encoding : chunked", b"transfer-encoding: identity", b"transfer-encoding: gzip, chunked"),
    *(b"transfer-encoding:\tchunked", b"transfer-encoding: chunked, chunked", b" transfer-encoding: chunked"),
    *(
        b"connection: close",
        b"connection: keep-alive",
        b"connection: upgrade",
        b"upgrade: h2c",
        b"expect: 100-continue",
    ),
    *(b"connection: Close, x", b"host: u", b"host:", b"x: y", b" x", b"x", b"\ttransfer-encoding: chunked", b"x:\0"),
)
_BYTES = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\n\n",
        b"\0",
        b" ",
        b"\t",
        b"\x0b",
        b"\x7f",
        b"\xff",
        b":",
        b",",
        b";",
        b"\\",
    ),
    *(b"0\r\n\r\n", b"0x", b"+", b"-", b"_", b"%0d%0a", b"%00", b"..", b"//", b"f", b"ffffffffffffffff", b"5", b"0"),
    *(b" HTTP/1.1", b" HTTP/1.0", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", b"chunked", b";a=b", b';a="b', b'"'),
)

_Change = Callable[[random.Random, bytes], bytes]


def _insert(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(_BYTES) + data[at:]


def _insert_in_head(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(data.find(b"\r\n\r\n") + 5)
    return data[:at] + draw.choice(_BYTES) + data[at:]


def _replace(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + draw.choice(_BYTES) + data[at + 1 :]


def _delete(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + data[at + draw.randint(1, 4) :]


def _flip(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]


def _add_line(draw: random.Random, data: bytes) -> bytes:
    ends = [at for at in range(len(data)) if data.startswith(b"\r\n", at)] or [0]
    at = draw.choice(ends)
    return data[:at] + b"\r\n" + draw.choice(_LINES) + data[at:]


def _double_line(draw: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = draw.randrange(len(lines))
    return b"\r\n".join([*lines[:at], lines[at], *lines[at:]])


def _other_ends(draw: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at, end = draw.randrange(len(lines)), draw.choice((b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n "))
    return b"\r\n".join(lines[:at]) + end + b"\r\n".join(lines[at:])


def _other_digits(draw: random.Random, data: bytes) -> bytes:
    places = [at for at, each in enumerate(data) if each in b"0123456789"] or [0]
    at = draw.choice(places)
    return data[:at] + draw.choice((b"0", b"1", b"5", b"9", b"00", b"1_1", b"a", b"")) + data[at + 1 :]


def _swap_case(draw: random.Random, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + data[at : at + 12].swapcase() + data[at + 12 :]


_CHANGES: tuple[_Change, ...] = (
    *(_insert, _insert_in_head, _insert_in_head, _replace, _delete, _flip),
    *(_add_line, _add_line, _double_line, _other_ends, _other_digits, _swap_case),
)


def _good(draw: random.Random, mark: str) -> bytes:
    body = call(mark)
    cut = draw.randrange(1, len(body))
    match draw.randrange(5):
        case 0:
            return post(b"content-length: %d" % len(body), body=body)
        case 1:
            return post(b"transfer-encoding: chunked", body=chunks(body[:cut], body[cut:]))
        case 2:
            return post(b"transfer-encoding: chunked", body=chunks(body, last=b"0\r\nx: y\r\n\r\n"))
        case 3:
            first = b"GET " + draw.choice((b"/healthz", b"http://t/healthz", b"/v1/models")) + b" HTTP/1.1"
            return post(b"content-length: %d" % len(body), body=body, first=first)
        case _:
            return post(b"content-length: %d" % len(body), body=body, first=b"POST " + PATH + b" HTTP/1.1")


def mutate(draw: random.Random, data: bytes) -> bytes:
    """Broken in one to three places."""
    for _ in range(draw.randint(1, 3)):
        data = draw.choice(_CHANGES)(draw, data) or b"\r\n"
    return data


def messages(seed: int, count: int) -> Iterator[bytes]:
    """Each is what one connection brings. The same seed makes the same ones."""
    draw = random.Random(seed)  # noqa: S311 (the same each time)
    corpus = [*REFUSED.values(), *SERVED.values(), *UNSERVED.values()]
    corpus = [each for each in corpus if len(each) < 4096]
    for number in range(count):
        data = draw.choice(corpus) if draw.random() < 0.2 else _good(draw, f"first {number}")
        data = mutate(draw, data)
        if draw.random() < 0.2:
            data = _good(draw, f"before {number}") + data
        last = call(f"last {number}")
        yield data + post(b"connection: close", b"content-length: %d" % len(last), body=last)

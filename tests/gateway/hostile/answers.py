"""Answers of engines that are broken or lie, each with a name.

`MALFORMED`: never an answer; the request is had elsewhere, or tried again.
`SPENT`: a good answer, after which its connection carries no other.
"""

from __future__ import annotations

from tests.gateway.hostile.corpus import chunks
from tests.support.gateway import completion

__all__ = ["EVIL", "MALFORMED", "SPENT", "answer"]

EVIL = completion("evil")
SIZE, HEX = b"%d" % len(EVIL), b"%x" % len(EVIL)
_JSON = b"content-type: application/json"


def answer(*lines: bytes, body: bytes = EVIL, first: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([first, _JSON, *lines, b"", b""]) + body


def sized(*lines: bytes, body: bytes = EVIL, first: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return answer(b"content-length: %d" % len(body), *lines, body=body, first=first)


def length(value: bytes) -> bytes:
    return answer(b"content-length:" + value)


def coded(coding: bytes, body: bytes = chunks(EVIL)) -> bytes:
    return answer(b"transfer-encoding:" + coding, body=body)


def chunk(size: bytes, end: bytes = b"\r\n") -> bytes:
    return coded(b" chunked", size + b"\r\n" + EVIL + end + b"0\r\n\r\n")


MALFORMED: dict[str, bytes] = {
    "length and chunked": answer(b"content-length: 5", b"transfer-encoding: chunked", body=chunks(EVIL)),
    "chunked and length": answer(b"transfer-encoding: chunked", b"content-length: 5", body=chunks(EVIL)),
    "two lengths": answer(b"content-length: " + SIZE, b"content-length: 5"),
    "two equal lengths": answer(b"content-length: " + SIZE, b"content-length: " + SIZE),
    "a list of lengths": length(b" " + SIZE + b", " + SIZE),
    "a length with a plus": length(b" +" + SIZE),
    "a negative length": length(b" -1"),
    "a hexadecimal length": length(b" 0x" + HEX),
    "an empty length": length(b""),
    "a length over 64 bits": length(b" 18446744073709551621"),
    "a length of 5000 digits": length(b" " + b"0" * 4990 + SIZE),
    "a longer length of digits": length(b" " + b"9" * 5000),
    "a length of Arabic digits": length(" ٥".encode()),
    "a length that is shorter than the body": length(b" 5"),
    "gzip as a coding": coded(b" gzip"),
    "gzip and chunked": coded(b" gzip, chunked"),
    "gzip, then chunked in a second line": answer(
        b"transfer-encoding: gzip", b"transfer-encoding: chunked", body=chunks(EVIL)
    ),
    "chunked twice": coded(b" chunked, chunked"),
    "chunked in two lines": answer(b"transfer-encoding: chunked", b"transfer-encoding: chunked", body=chunks(EVIL)),
    "xchunked": coded(b" xchunked"),
    "an empty coding": coded(b""),
    "chunked in a folded line": coded(b"\r\n chunked"),
    "a chunk of 0x": chunk(b"0x" + HEX),
    "a chunk with a plus": chunk(b"+" + HEX),
    "a chunk with a space": chunk(HEX + b" "),
    "a chunk of no digits": chunk(b""),
    "a chunk over 64 bits": chunk(b"10000000000000000" + HEX),
    "a chunk that ends late": chunk(b"5"),
    "a chunk that ends early": chunk(b"%x" % (len(EVIL) + 2)),
    "a chunk that ends with LF": chunk(HEX, b"\n"),
    "a size that ends with LF": coded(b" chunked", HEX + b"\n" + EVIL + b"\r\n0\r\n\r\n"),
    "a trailer without a colon": coded(b" chunked", chunks(EVIL, last=b"0\r\nx y\r\n\r\n")),
    "a length for a trailer": coded(b" chunked", chunks(EVIL, last=b"0\r\ncontent-length: 5\r\n\r\n")),
    "an extension without end": coded(b" chunked", HEX + b";x=" + b"y" * 2**20 + b"\r\n" + EVIL + b"\r\n0\r\n\r\n"),
    "bare LF": sized().replace(b"\r\n", b"\n"),
    "bare LF after a header": sized(b"x: a\ny: b"),
    "bare CR in a value": sized(b"x: a\rset-cookie: b"),
    "a NUL in a value": sized(b"x: a\0b"),
    "a control character in a value": sized(b"x: a\x01b"),
    "a NUL in a name": sized(b"x\0: b"),
    "a space before a colon": sized(b"x : b"),
    "a line without a colon": sized(b"x"),
    "a folded header": sized(b"x: a", b" b"),
    "no head at all": EVIL,
    "an old head": b"OK\r\n\r\n" + EVIL,
    "HTTP/2.0": sized(first=b"HTTP/2.0 200 OK"),
    "HTTP/0.9": sized(first=b"HTTP/0.9 200 OK"),
    "http/1.1": sized(first=b"http/1.1 200 OK"),
    "ICY": sized(first=b"ICY 200 OK"),
    "a status of two digits": sized(first=b"HTTP/1.1 99 OK"),
    "status 099": sized(first=b"HTTP/1.1 099 OK"),
    "status 600": sized(first=b"HTTP/1.1 600 OK"),
    "status 999": sized(first=b"HTTP/1.1 999 OK"),
    "a status of four digits": sized(first=b"HTTP/1.1 2000 OK"),
    "a negative status": sized(first=b"HTTP/1.1 -200 OK"),
    "a status of letters": sized(first=b"HTTP/1.1 abc OK"),
    "no status": sized(first=b"HTTP/1.1"),
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" + EVIL,
    "an upgrade to nothing": b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + sized(),
    "a long head": sized(b"x: " + b"a" * 100_000),
    "a head without end": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2**20,
    "a head of lines without end": b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 2**17,
    "a body that stops": answer(b"content-length: %d" % (len(EVIL) + 1)),
    "chunks that stop": coded(b" chunked", chunks(EVIL, last=b"")),
    "a head that stops": b"HTTP/1.1 200 OK\r\ncontent-le",
    "nothing": b"",
    "a second answer behind it": sized(body=EVIL) + sized(),
    "a second answer behind chunks": coded(b" chunked") + sized(),
    "half an answer behind it": sized() + b"HTTP/1.1 200 OK\r\ncontent-le",
    "a request": b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n",
    "TLS": bytes.fromhex("15030100020228"),
}

GOOD = completion("good")

SPENT: dict[str, bytes] = {
    "an answer that closes": sized(b"connection: close", body=GOOD),
    "an answer of HTTP/1.0": sized(body=GOOD, first=b"HTTP/1.0 200 OK"),
    "an answer without framing": answer(body=GOOD),
}

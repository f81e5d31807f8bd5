"""Messages on which HTTP servers are known to differ, each with a name, and what must become of it.

`REFUSED`: nothing of it reaches an engine, nor does the good request behind it: the connection ends with one error.
`SERVED`: it is one request, whatever it looks like, and the one behind it is the next.
`UNSERVED`: a request that no engine is for; it is answered with an error and the one behind it is served.
`UNFINISHED`: it promises more than comes, so that what is behind it is its body; it ends with its deadline.
"""

from __future__ import annotations

import json

__all__ = ["REFUSED", "SERVED", "UNFINISHED", "UNSERVED", "call", "post"]

PATH = b"/v1/chat/completions"


def call(mark: str) -> bytes:
    return json.dumps({"model": "chat", "messages": [{"role": "user", "content": mark}]}).encode()


ONE = call("one")
SMUGGLED = b"POST " + PATH + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(call("smuggled"))
SMUGGLED += call("smuggled")


HERE = b"host: localhost"


def post(*lines: bytes, body: bytes = b"", target: bytes = PATH, first: bytes = b"", host: bytes = HERE) -> bytes:
    start = first or b"POST " + target + b" HTTP/1.1"
    return b"\r\n".join([start, *([host] if host else []), *lines, b"", b""]) + body


def chunks(*pieces: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + last


def sized(*lines: bytes, **more: bytes) -> bytes:
    return post(b"content-length: %d" % len(ONE), *lines, body=ONE, **more)


def chunked(*lines: bytes, body: bytes) -> bytes:
    return post(b"transfer-encoding: chunked", *lines, body=body)


SIZE, HEX = b"%d" % len(ONE), b"%x" % len(ONE)
GOOD = chunks(ONE)


def coded(coding: bytes) -> bytes:
    return post(b"transfer-encoding:" + coding, body=GOOD)


def length(value: bytes) -> bytes:
    return post(b"content-length:" + value, body=ONE)


def chunk(size: bytes, data: bytes = ONE, end: bytes = b"\r\n") -> bytes:
    return chunked(body=size + b"\r\n" + data + end + b"0\r\n\r\n")


def target(path: bytes) -> bytes:
    return sized(target=path)


REFUSED: dict[str, bytes] = {
    # both framings, or one of them twice (RFC 9112 section 6.3)
    "length then chunked": post(b"content-length: 4", b"transfer-encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "chunked then length": post(b"transfer-encoding: chunked", b"content-length: 4", body=b"0\r\n\r\n" + SMUGGLED),
    "length 0 and chunked": post(b"content-length: 0", b"transfer-encoding: chunked", body=chunks(SMUGGLED)),
    "two lengths": post(b"content-length: %d" % len(ONE), b"content-length: 3", body=ONE),
    "two lengths, the shorter first": post(b"content-length: 0", b"content-length: 5", body=SMUGGLED),
    "two equal lengths": post(b"content-length: " + SIZE, b"content-length: " + SIZE, body=ONE),
    "a list of equal lengths": length(b" " + SIZE + b", " + SIZE),
    "a list of lengths": length(b" 0, " + SIZE),
    "a length with a comma": length(b" " + SIZE + b","),
    "two codings, both chunked": post(b"transfer-encoding: chunked", b"transfer-encoding: chunked", body=GOOD),
    "a coding twice in one line": coded(b" chunked, chunked"),
    "gzip, then chunked in a second line": post(b"transfer-encoding: gzip", b"transfer-encoding: chunked", body=GOOD),
    "chunked, then identity": post(b"transfer-encoding: chunked", b"transfer-encoding: identity", body=GOOD),
    "identity, then chunked": post(b"transfer-encoding: identity", b"transfer-encoding: chunked", body=GOOD),
    # lengths that are none
    "a length with a plus": length(b" +" + SIZE),
    "a length with a minus": length(b" -5"),
    "a hexadecimal length": length(b" 0x" + HEX),
    "a length with an underscore": length(b" 1_0"),
    "a length with a space in it": length(b" 1 0"),
    "a length with a point": length(b" 10.0"),
    "a length with an exponent": length(b" 1e2"),
    "an empty length": length(b""),
    "a length of Arabic digits": length(" ٥".encode()),
    "a length of full-width digits": length(" ５".encode()),
    "a length with a vertical tab": length(b" \x0b5"),
    "a length with a NUL": length(b" 5\0"),
    "a length over 64 bits": length(b" 18446744073709551621"),
    "a length over all bounds": length(b" " + b"9" * 5000),
    "a length that is too large": length(b" 99999999999"),
    # codings that are none (section 6.1)
    "xchunked": coded(b" xchunked"),
    "chunkedx": coded(b" chunkedx"),
    "chunked with a parameter": coded(b" chunked;q=1"),
    "chunked in quotes": coded(b' "chunked"'),
    "chunked with a space behind": coded(b" chunked "),
    "chunked with a vertical tab": coded(b" \x0bchunked"),
    "chunked with a NUL": coded(b" chunked\0"),
    "chunked and a comma": coded(b" chunked,"),
    "a comma and chunked": coded(b" ,chunked"),
    "cow and chunked": coded(b" cow, chunked"),
    "gzip": coded(b" gzip"),
    "identity": coded(b" identity"),
    "an empty coding": coded(b""),
    "chunked in a folded line": coded(b"\r\n chunked"),
    "chunked folded by a tab": coded(b"\r\n\tchunked"),
    "a space before the colon of the coding": post(b"transfer-encoding : chunked", body=GOOD),
    "a tab before the colon of the coding": post(b"transfer-encoding\t: chunked", body=GOOD),
    "a space before the colon of the length": post(b"content-length : 5", body=ONE),
    "a space before the name of the coding": post(b" transfer-encoding: chunked", body=GOOD),
    "chunked in HTTP/1.0": post(b"transfer-encoding: chunked", first=b"POST " + PATH + b" HTTP/1.0", body=GOOD),
    # lines (sections 2.2 and 5)
    "bare LF everywhere": sized().replace(b"\r\n", b"\n"),
    "bare LF after the first line": sized().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n"),
    "bare LF after a header": sized(b"x: a\nconnection: close"),
    "bare LF before the empty line": b"POST " + PATH + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\n\r\n",
    "bare LF as the empty line": b"POST " + PATH + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\n",
    "bare CR in a value": sized(b"x: a\rb"),
    "bare CR for a line's end": sized(b"x: a\rtransfer-encoding: chunked"),
    "CR CR LF": sized(b"x: a\r"),
    "a NUL in a value": sized(b"x: a\0b"),
    "a NUL in a name": sized(b"x\0: a"),
    "a control character in a value": sized(b"x: a\x01b"),
    "DEL in a value": sized(b"x: a\x7fb"),
    "a line without a colon": sized(b"x"),
    "a header without a name": sized(b": x"),
    "a space in a name": sized(b"x y: z"),
    "a name that is not ASCII": sized("é: z".encode()),
    "a name in parentheses": sized(b"(x): z"),
    "a folded header": sized(b"x: a", b" b"),
    "a first header that is folded": post(b"content-length: 0", host=b" host: localhost"),
    # hosts (section 3.2)
    "no host": sized(host=b""),
    "two hosts": sized(b"host: u"),
    "two hosts in one line": sized(host=b"host: t, u"),
    "a host with a path": sized(host=b"host: t/x"),
    "a host with a user": sized(host=b"host: u@t"),
    "a host with a space": sized(host=b"host: t u"),
    "a host with a port that is none": sized(host=b"host: t:8x"),
    "two hosts of HTTP/1.0": sized(b"host: u", first=b"POST " + PATH + b" HTTP/1.0"),
    # first lines (section 3)
    "HTTP/0.9": b"GET " + PATH + b"\r\n\r\n",
    "HTTP/0.9 with a version": b"GET / HTTP/0.9\r\n\r\n",
    "HTTP/1.2": sized(first=b"POST " + PATH + b" HTTP/1.2"),
    "HTTP/2.0": sized(first=b"POST " + PATH + b" HTTP/2.0"),
    "HTTP/01.1": sized(first=b"POST " + PATH + b" HTTP/01.1"),
    "HTTP/1.10": sized(first=b"POST " + PATH + b" HTTP/1.10"),
    "http/1.1": sized(first=b"POST " + PATH + b" http/1.1"),
    "HTTP 1.1": sized(first=b"POST " + PATH + b" HTTP 1.1"),
    "no version": sized(first=b"POST " + PATH),
    "a word behind the version": sized(first=b"POST " + PATH + b" HTTP/1.1 x"),
    "a space behind the version": sized(first=b"POST " + PATH + b" HTTP/1.1 "),
    "a space before the method": sized(first=b" POST " + PATH + b" HTTP/1.1"),
    "tabs in the first line": sized(first=b"POST\t" + PATH + b"\tHTTP/1.1"),
    "a method in lower case": sized(first=b"post " + PATH + b" HTTP/1.1"),
    "an unknown method": sized(first=b"SMUGGLE " + PATH + b" HTTP/1.1"),
    "a method with a NUL": sized(first=b"PO\0ST " + PATH + b" HTTP/1.1"),
    "a space in the target": target(PATH + b" x"),
    "a NUL in the target": target(PATH + b"\0"),
    "a tab in the target": target(PATH + b"\tx"),
    "a target that is not ASCII": target(PATH + b"\xc3\xa9"),
    "a target without a slash": target(PATH[1:]),
    "a tunnel": sized(first=b"CONNECT t:80 HTTP/1.1"),
    "a tunnel without a body": b"CONNECT t:80 HTTP/1.1\r\nhost: t:80\r\n\r\n" + SMUGGLED,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "the preface of HTTP/2 as HTTP/1.1": b"PRI * HTTP/1.1\r\nhost: localhost\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303") + bytes(64),
    "a PROXY header": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + sized(),
    "a binary PROXY header": bytes.fromhex("0d0a0d0a000d0a515549540a21110000") + sized(),
    # chunks (section 7.1)
    "a chunk of 0x": chunk(b"0x" + HEX),
    "a chunk with a plus": chunk(b"+" + HEX),
    "a chunk with a minus": chunk(b"-1"),
    "a chunk with a space before": chunk(b" " + HEX),
    "a chunk with a space behind": chunk(HEX + b" "),
    "a chunk with a tab behind": chunk(HEX + b"\t"),
    "a chunk with an underscore": chunk(b"1_0"),
    "a chunk of no digits": chunk(b""),
    "a chunk of words": chunk(b"xyz"),
    "a chunk of Arabic digits": chunk("٥".encode()),
    "a chunk over 64 bits": chunk(b"10000000000000000" + HEX),
    "a chunk that ends early": chunk(b"%x" % (len(ONE) + 3)),
    "a chunk that ends late": chunk(b"%x" % (len(ONE) - 3)),
    "a chunk that ends with LF": chunk(HEX, end=b"\n"),
    "a chunk that ends with CR": chunk(HEX, end=b"\r"),
    "a chunk without an end": chunk(HEX, end=b""),
    "a size that ends with LF": chunked(body=HEX + b"\n" + ONE + b"\r\n0\r\n\r\n"),
    "a last chunk that ends with LF": chunked(body=chunks(ONE, last=b"0\n\n")),
    "an extension with LF": chunked(body=HEX + b";x\n" + ONE + b"\r\n0\r\n\r\n"),
    "an extension with CR": chunk(HEX + b";x\ry"),
    "an extension without a name": chunk(HEX + b";"),
    "an extension behind a space": chunk(HEX + b" ;x=y"),
    "an extension with a NUL": chunk(HEX + b";x=\0"),
    "a quoted extension with a line's end": chunk(HEX + b';x="\r\n"'),
    "an extension without end": chunk(HEX + b";x=" + b"y" * 2**20),
    # trailers (section 7.1.2)
    "a length for a trailer": chunked(body=chunks(ONE, last=b"0\r\ncontent-length: 5\r\n\r\n")),
    "a coding for a trailer": chunked(body=chunks(ONE, last=b"0\r\ntransfer-encoding: chunked\r\n\r\n")),
    "a trailer that closes": chunked(body=chunks(ONE, last=b"0\r\nconnection: close\r\n\r\n")),
    "a trailer without a colon": chunked(body=chunks(ONE, last=b"0\r\nPOST / HTTP/1.1\r\n\r\n")),
    "a trailer that ends with LF": chunked(body=chunks(ONE, last=b"0\r\nx: y\n\r\n")),
    "trailers that end with LF": chunked(body=chunks(ONE, last=b"0\r\nx: y\r\n\n")),
    "a folded trailer": chunked(body=chunks(ONE, last=b"0\r\nx: y\r\n z\r\n\r\n")),
    "a trailer without end": chunked(body=chunks(ONE, last=b"0\r\nx: " + b"y" * 2**20 + b"\r\n\r\n")),
    "trailers without end": chunked(body=chunks(ONE, last=b"0\r\n" + b"x: y\r\n" * 2**18 + b"\r\n")),
    # what two servers may take from two places
    "two keys": sized(b"authorization: Bearer a", b"authorization: Bearer b"),
    "two types": sized(b"content-type: application/json", b"content-type: text/plain"),
    "two expectations": sized(b"expect: 100-continue", b"expect: 100-continue"),
    "an odd expectation": sized(b"expect: 200-ok"),
    "an expectation in a list": sized(b"expect: 100-continue, x"),
    "a compressed body": sized(b"content-encoding: gzip"),
    "two encodings of a body": sized(b"content-encoding: identity", b"content-encoding: gzip"),
    # too much
    "a long target": target(PATH + b"?" + b"a" * 9000),
    "a long header": sized(b"x: " + b"a" * 40_000),
    "many headers": sized(*[b"x: 1"] * 200),
    "a long head of short lines": sized(*[b"x%d: " % n + b"a" * 500 for n in range(100)]),
    # an upgrade does not stop the reading of what follows
    "an upgrade with both framings": post(
        b"connection: upgrade", b"upgrade: h2c", b"content-length: 4", b"transfer-encoding: chunked", body=GOOD
    ),
}

SERVED: dict[str, bytes] = {
    "plain": sized(),
    "chunked": chunked(body=GOOD),
    "in many chunks": chunked(body=chunks(*(ONE[n : n + 1] for n in range(len(ONE))))),
    "a coding in capitals": coded(b" CHUNKED"),
    "a coding without a space": coded(b"chunked"),
    "a coding behind a tab": coded(b"\tchunked"),
    "a length behind a tab": length(b"\t" + SIZE),
    "a length with a space behind": length(b" " + SIZE + b" "),
    "a length with zeros": length(b" 000" + SIZE),
    "a size with zeros": chunk(b"0000000000000000000" + HEX),
    "a size in capitals": chunk(HEX.upper()),
    "a last chunk of zeros": chunked(body=chunks(ONE, last=b"0000\r\n\r\n")),
    "an extension": chunk(HEX + b';x=y;z="a b"'),
    "a trailer": chunked(body=chunks(ONE, last=b"0\r\nx: y\r\n\r\n")),
    "a trailer that says another host": chunked(body=chunks(ONE, last=b"0\r\nhost: evil\r\n\r\n")),
    "a trailer that says another key": chunked(body=chunks(ONE, last=b"0\r\nauthorization: Bearer x\r\n\r\n")),
    "a trailer that offers an upgrade": chunked(body=chunks(ONE, last=b"0\r\nupgrade: h2c\r\n\r\n")),
    "underscores are no hyphens": sized(b"content_length: 3", b"transfer_encoding: chunked"),
    "headers in capitals": sized().replace(b"content-length", b"CONTENT-LENGTH"),
    "a length that Connection names": sized(b"connection: content-length"),
    "empty lines before": b"\r\n\r\n" + sized(),
    "bytes over 127 in a value": sized(b"x: \xff\xfe"),
    "an offer of h2c": sized(b"connection: upgrade, http2-settings", b"upgrade: h2c", b"http2-settings: AAMAAABk"),
    "an offer of websocket": sized(b"connection: upgrade", b"upgrade: websocket", b"sec-websocket-key: x"),
    "an offer of h2c with chunks": post(
        b"connection: upgrade", b"upgrade: h2c", b"transfer-encoding: chunked", body=GOOD
    ),
    "an expectation": sized(b"expect: 100-continue"),
    "an expectation in capitals": sized(b"expect: 100-Continue"),
    "an absolute target": target(b"http://elsewhere.example" + PATH),
    "an absolute target in capitals": target(b"HTTP://ELSEWHERE" + PATH),
    "an absolute target with a user": target(b"http://u@t" + PATH),
    "a query": target(PATH + b"?x=1"),
    "a path that is escaped": target(b"/v1/chat/%63ompletions"),
    "a slash that is escaped": target(b"/v1/chat%2Fcompletions"),
    "an IPv6 host": sized(host=b"host: [::1]:8484"),
    "an empty host": sized(host=b"host:"),
    "a smuggled request in a body is a body": post(
        b"content-length: %d" % len(call(SMUGGLED.decode())), body=call(SMUGGLED.decode())
    ),
}

UNSERVED: dict[str, bytes] = {
    "GET with a body that is a request": post(
        b"content-length: %d" % len(SMUGGLED), first=b"GET /healthz HTTP/1.1", body=SMUGGLED
    ),
    "GET with chunks that are a request": post(
        b"transfer-encoding: chunked", first=b"GET /healthz HTTP/1.1", body=chunks(SMUGGLED)
    ),
    "HEAD with a body that is a request": post(
        b"content-length: %d" % len(SMUGGLED), first=b"HEAD /healthz HTTP/1.1", body=SMUGGLED
    ),
    "DELETE with a body": sized(first=b"DELETE " + PATH + b" HTTP/1.1"),
    "TRACE": sized(first=b"TRACE " + PATH + b" HTTP/1.1"),
    "OPTIONS of all": sized(first=b"OPTIONS * HTTP/1.1"),
    "a body that is a request": post(b"content-length: %d" % len(SMUGGLED), body=SMUGGLED),
    "a path with a line's end in it": target(b"/v1/x%0d%0ahost:%20evil"),
    "a long path with a line's end in it": target(b"/v1/" + b"a" * 124 + b"%20HTTP/1.1%0d%0ax:%20y"),
    "a long path with a whole request in it": target(
        b"/v1/" + b"a" * 124 + SMUGGLED.replace(b"\r\n", b"%0d%0a").replace(b" ", b"%20").replace(b'"', b"%22")
    ),
    "a path with a NUL in it": target(PATH + b"%00"),
    "a path that climbs": target(b"/v1/x/../../metrics"),
    "a path that climbs, escaped": target(b"/v1/x/%2e%2e/%2e%2e/metrics"),
    "a path that stands still": target(b"/v1/./chat/completions"),
    "a path that is not UTF-8": target(b"/v1/%ff"),
    "a path that is escaped twice": target(b"/v1/chat/%2563ompletions"),
    "a path with a backslash": target(b"/v1\\chat/completions"),
    "a path with two slashes": target(b"//v1/chat/completions"),
    "another scheme": target(b"ftp://t" + PATH),
}

UNFINISHED: dict[str, bytes] = {
    "a length that is longer than the body": length(b" 100000"),
    "a chunk that is longer than the body": chunk(b"10000"),
    "a chunk of the whole 64 bits": chunk(b"ffffffffffffffff"),
    "chunks without a last one": chunked(body=b"ffff\r\n"),
    "half a head": sized()[:60].rstrip(b"\r\n"),
    "half a first line": b"POST /v1/chat",
}

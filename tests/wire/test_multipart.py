"""The model's name out of a form, whatever else the form holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.wire.multipart import boundary_of, field, with_field


def body_of(parts: list[tuple[str, bytes]], boundary: bytes = b"x") -> bytes:
    head = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    return b"".join(head % (boundary, name.encode(), value) for name, value in parts) + b"--%b--\r\n" % boundary


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data; charset=utf-8; boundary="a b"', b"a b"),
        (b"multipart/form-data", None),
        (b"multipart/mixed; boundary=abc", None),
        (b"application/json", None),
        (b"multipart/form-data; boundary=" + b"a" * 200, None),
    ],
)
def test_the_boundary(content_type: bytes, found: bytes | None) -> None:
    read = boundary_of(content_type)
    assert read == found or (found is None and read is not None and len(read) <= 70)


values = st.binary(max_size=200).filter(lambda value: b"--x" not in value)


@given(before=values, model=st.text(min_size=1, max_size=40), after=values, other=st.text(max_size=40))
def test_a_field_is_found_and_replaced_and_nothing_else_moves(
    before: bytes, model: str, after: bytes, other: str
) -> None:
    if "--x" in model or "--x" in other:
        return
    body = body_of([("file", before), ("model", model.encode()), ("rest", after)])
    assert field(body, b"x", "model") == model
    replaced = with_field(body, b"x", "model", other)
    assert replaced == body_of([("file", before), ("model", other.encode()), ("rest", after)])
    assert field(replaced, b"x", "model") == other


@given(st.binary(max_size=400))
def test_rubbish_is_read_without_harm(body: bytes) -> None:
    assert field(body, b"x", "model") is None or b"model" in body
    assert with_field(b"--x\r\n" + body, b"x", "none", "y") == b"--x\r\n" + body


def test_what_is_cut_off_is_not_found() -> None:
    whole = body_of([("model", b"chat")])
    assert field(whole[: whole.index(b"chat") + 2], b"x", "model") is None
    assert field(body_of([("model", b"\xff")]), b"x", "model") is None

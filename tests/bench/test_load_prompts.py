"""The text of prompts, and the requests that it stands in."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from headway.bench.plan import Target
from headway.bench.prompts import TOKEN_BYTES, WORDS, Prompts
from headway.bench.requests import Requests
from headway.bench.target import Heads, address_of
from headway.perf.traffic.planned import Piece
from tests.support.load import call

PROMPTS = Prompts(1)
IDS = st.integers(0, 2**62 - 1)


def test_there_are_enough_words_of_one_length() -> None:
    assert len(set(WORDS)) == len(WORDS) == 256
    assert {len(word) for word in WORDS} == {TOKEN_BYTES - 1}
    assert all(word.isascii() and word.isalpha() and word.islower() for word in WORDS)


@given(IDS, st.integers(1, 300), st.integers(1, 300))
def test_equal_ids_are_equal_text_and_a_shorter_one_its_beginning(ident: int, one: int, other: int) -> None:
    shorter, longer = sorted((one, other))
    text = PROMPTS.text([Piece(ident, longer)])
    assert len(text) == TOKEN_BYTES * longer
    assert text.startswith(PROMPTS.text([Piece(ident, shorter)]))
    assert text == Prompts(1).text([Piece(ident, longer)])
    assert {word for word in text.decode().split(" ") if word} <= set(WORDS)


@given(IDS, IDS)
def test_unequal_ids_differ_within_eight_tokens(one: int, other: int) -> None:
    same = PROMPTS.text([Piece(one, 8)]) == PROMPTS.text([Piece(other, 8)])
    assert same == (one == other)


@given(IDS, st.integers(1, 255))
def test_ids_that_are_near_each_other_differ_from_the_first_token_on(ident: int, step: int) -> None:
    assert PROMPTS.text([Piece(ident, 1)]) != PROMPTS.text([Piece(ident + step, 1)])


def test_another_salt_is_other_text_and_a_long_piece_goes_on_over_the_end() -> None:
    assert Prompts(2).text([Piece(5, 8)]) != PROMPTS.text([Piece(5, 8)])
    assert len(PROMPTS.text([Piece(5, 400_000)])) == TOKEN_BYTES * 400_000


def test_a_prompt_is_its_pieces_one_after_the_other() -> None:
    pieces = (Piece(1, 20), Piece(2, 30))
    target = Target(url="http://[::1]:99/base")
    requests = Requests(Heads(target, address_of(target.url), "r"), PROMPTS, "engine")
    head, _, body = requests.make(call(3, prompt=pieces, model='a "model"')).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /base/v1/chat/completions HTTP/1.1\r\nhost: [::1]:99\r\n")
    assert b"content-length: %d" % len(body) in head
    content = json.loads(body)["messages"][0]["content"].encode()
    assert content == PROMPTS.text(pieces[:1]) + PROMPTS.text(pieces[1:])
    assert json.loads(body)["model"] == 'a "model"'

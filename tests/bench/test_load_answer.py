"""What a stream brought, and when: the same for every way that engines write their events and networks cut them."""

from __future__ import annotations

from itertools import count, pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.bench.answer import Streamed, Vectors, Whole
from tests.support.load import DONE, data, said, spaced, usage

ROLE = data(delta={"role": "assistant", "content": ""})
STOP = data(delta={}, finish="stop")


def heard(*reads: bytes, keeps: bool = True) -> Streamed:
    """Read n comes at second n."""
    answer = Streamed(keeps)
    for now, read in enumerate(reads):
        answer.push(read, float(now))
    answer.close(float(len(reads)))
    return answer


def facts(answer: Streamed) -> tuple[Any, ...]:
    return (answer.sizes, answer.tokens, answer.text, answer.finish, answer.trouble, answer.usage)


def test_a_role_is_no_content_and_each_text_is_a_piece() -> None:
    answer = heard(ROLE, said("Paris"), said(" is"), said(" it"), STOP, DONE)
    assert (answer.times, answer.sizes) == ([1.0, 2.0, 3.0], [5, 3, 3])
    assert (answer.text, answer.finish, answer.trouble, answer.ended) == ("Paris is it", "stop", "", True)


def test_usage_alone_in_the_last_chunk() -> None:
    spent = usage(7, 3, prompt_tokens_details={"cached_tokens": 2})
    answer = heard(ROLE, said("a"), STOP, data(usage=spent), DONE)
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.cached_tokens) == (7, 3, 2)
    assert (answer.times, answer.tokens) == ([1.0], None)


def test_continuous_usage_says_how_many_tokens_each_piece_had() -> None:
    answer = heard(
        data(delta={"role": "assistant", "content": ""}, usage=usage(7, 0)),
        said("one two", usage=usage(7, 2)),
        data(delta={"content": ""}, usage=usage(7, 3)),  # half a character: its token comes with the next text
        said(" three four", usage=usage(7, 5)),
        data(usage=usage(7, 5)),
        DONE,
    )
    assert (answer.times, answer.tokens, answer.sizes) == ([1.0, 3.0], [2, 3], [7, 11])
    assert answer.received == 5


def test_what_a_model_thinks_and_calls_is_content_but_not_the_assistants_text() -> None:
    called = {
        "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": ""}}]
    }
    more = {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}
    events = [
        ROLE,
        data(delta={"content": None, "reasoning_content": "Hm"}),
        data(delta={"reasoning": "so"}),
        said("Well"),
        data(delta=called),
        data(delta=more),
        data(delta={"refusal": "no"}),
        data(delta={}, finish="tool_calls"),
        DONE,
    ]
    answer = heard(*events)
    assert answer.times == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert answer.sizes == [2, 2, 4, 4, 5, 2]
    assert answer.text == "Well"


def test_thousands_of_thoughts_are_not_kept_as_text() -> None:
    answer = heard(*(data(delta={"reasoning_content": f"t{number}"}) for number in range(5)), said("x"), STOP, DONE)
    assert (len(answer.times), answer.text) == (6, "x")


def test_completions_have_their_text_elsewhere() -> None:
    answer = heard(data(text="a b"), data(text=" c"), data(text="", finish="length"), DONE)
    assert (answer.times, answer.text, answer.finish) == ([0.0, 1.0], "a b c", "length")


def test_comments_and_other_fields_are_no_content() -> None:
    answer = heard(b": keep-alive\n\n", b"retry: 3\n\n", said("a"), b": ping\n\n" + said("b") + b":\n\n", STOP, DONE)
    assert (answer.times, answer.text) == ([2.0, 3.0], "ab")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_end_as_they_like(end: bytes) -> None:
    events = [event.replace(b"\n", end) for event in (ROLE, said("a"), said("b"), said("c"), STOP, DONE)]
    answer = heard(*events)
    assert (answer.times, answer.text) == ([1.0, 2.0, 3.0], "abc")
    assert heard(b"".join(events)).text == "abc"


def test_events_without_a_blank_behind_the_colon_and_with_blanks_in_the_json() -> None:
    tight = [event.replace(b"data: ", b"data:") for event in (ROLE, said("a"), said("bc"), STOP, DONE)]
    assert heard(*tight).sizes == [1, 2]
    loose = heard(spaced("a"), spaced("bc"), spaced('"'), STOP, DONE)
    assert (loose.times, loose.sizes, loose.text) == ([0.0, 1.0, 2.0], [1, 2, 1], 'abc"')


def test_a_finish_in_the_same_event_as_the_last_text() -> None:
    answer = heard(said("a"), said("b"), said("c", finish="length"), DONE)
    assert (answer.sizes, answer.finish) == ([1, 1, 1], "length")


@given(st.lists(st.tuples(st.text(min_size=1, max_size=9), st.integers(0, 12)), min_size=1, max_size=12))
def test_events_with_usage_are_counted_as_if_they_were_read(pieces: list[tuple[str, int]]) -> None:
    total, events = 0, []
    for text, tokens in pieces:
        total += tokens
        events.append(said(text, usage=usage(100, total, prompt_tokens_details=None)))
    answer = heard(ROLE, *events, STOP, DONE)
    assert answer.tokens == [tokens for _, tokens in pieces]
    assert answer.sizes == [len(text.encode()) for text, _ in pieces]
    assert answer.text == "".join(text for text, _ in pieces)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == total


def test_an_event_that_says_more_than_the_one_before_is_read_whole() -> None:
    """Its numbers may differ, nothing else: not the reason that it ended."""
    events = [said(text, usage=usage(9, number)) for number, text in enumerate("abc", 1)]
    last = said("d", usage=usage(9, 4), finish="length")
    answer = heard(*events, last, data(usage=usage(9, 4)), DONE)
    assert (answer.finish, answer.tokens, answer.text) == ("length", [1, 1, 1, 1], "abcd")


TEXTS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8)


@given(TEXTS, st.booleans())
def test_an_event_that_is_only_measured_is_measured_as_if_it_was_read(texts: list[str], escaped: bool) -> None:
    """The short way (the bytes around the text are the same as before) and the long one agree, for any text."""
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    write = spaced if escaped else said
    answer = heard(ROLE, *map(write, clean), STOP, DONE)
    assert answer.sizes == [len(text.encode()) for text in clean]
    assert answer.text == "".join(clean)
    assert answer.times == [float(number) for number in range(1, len(clean) + 1)]


@given(TEXTS, st.lists(st.integers(0, 10_000), max_size=20))
def test_a_stream_however_it_is_cut(texts: list[str], at: list[int]) -> None:
    """In the middle of a character too."""
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    wire = b": hello\n\n".join([ROLE, *map(said, clean), STOP, data(usage=usage(5, len(clean))), DONE])
    places = sorted({0, len(wire), *(place % (len(wire) + 1) for place in at)})
    reads = [wire[begin:end] for begin, end in pairwise(places)]
    assert facts(heard(*reads)) == facts(heard(wire))
    assert heard(*reads).sizes == [len(text.encode()) for text in clean]


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([said("a"), data(error={"message": "out of memory", "code": 500})], "out of memory"),
        ([said("a"), b"event: error\n" + data(object="error", message="died")], "died"),
        ([said("a"), data(error="just text")], "just text"),
        ([said("a"), b'data: {"id": "broken", "choices": [{"delta": {"content": \n\n'], "not what the API says"),
        ([said("a")], "without finish_reason and [DONE]"),
        ([], "without finish_reason and [DONE]"),
    ],
)
def test_what_goes_wrong_in_mid_stream_is_said(events: list[bytes], says: str) -> None:
    answer = heard(ROLE, *events)
    assert says in answer.trouble
    assert len(answer.times) == min(1, len(events))


def test_a_stream_without_done_is_whole_when_it_said_why_it_ended() -> None:
    assert heard(ROLE, said("a"), STOP).trouble == ""
    assert heard(ROLE, said("a"), STOP[:-1]).finish == "stop"  # nor an empty line behind the last event


def test_nothing_counts_after_done() -> None:
    assert heard(said("a"), STOP, DONE + said("b")).sizes == [1]


def test_several_events_of_one_read_share_its_time() -> None:
    answer = heard(ROLE + said("a") + said("b"), said("c") + STOP + DONE)
    assert answer.times == [0.0, 0.0, 1.0]


def test_a_whole_answer_is_read_for_its_usage_finish_and_text() -> None:
    answer = Whole()
    message = {"role": "assistant", "content": "Paris.", "reasoning_content": "hm"}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage(7, 2)}
    for number, part in zip(count(), (msgspec.json.encode(body)[:20], msgspec.json.encode(body)[20:]), strict=False):
        answer.push(part, float(number))
    answer.close(2.0)
    assert (answer.text, answer.finish, answer.trouble) == ("Paris.", "stop", "")
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"<html>", "not what the API says"), (b'{"choices": [', "not what the API says"), (b"{}", "not what the API"),
     (b'{"error": {"message": "no"}}', "no")],
)  # fmt: skip
def test_a_body_that_is_no_answer(body: bytes, says: str) -> None:
    answer = Whole()
    answer.push(body, 0.0)
    answer.close(0.0)
    assert says in answer.trouble


def test_embeddings_are_not_read_number_by_number() -> None:
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.5] * 5000}]
    answer = Vectors()
    answer.push(msgspec.json.encode({"object": "list", "data": vectors, "usage": {"prompt_tokens": 9}}), 0.0)
    answer.close(0.0)
    assert answer.trouble == ""
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 9
    broken = Vectors()
    broken.push(b'{"data": [{"embedding": [0.5, 0.5', 0.0)
    broken.close(0.0)
    assert broken.trouble

"""Sources: each accepted form, its canonical text, and what the others are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.spec.fault import Fault
from headway.spec.source import FORM, HF_FORM, SCHEMES, Source
from tests.support.spec import attempt

READ: list[tuple[str, Source, str]] = [
    ("builtin://smollm2-135m-instruct", Source("builtin", "smollm2-135m-instruct"), "builtin://smollm2-135m-instruct"),
    ("org/name", Source("hf", "org/name"), "hf://org/name"),
    ("org/name@main", Source("hf", "org/name", "main"), "hf://org/name@main"),
    ("hf://org/name/q4.gguf", Source("hf", "org/name", "", "q4.gguf"), "hf://org/name/q4.gguf"),
    ("hf://org/name@v1.0/a/q4.GGUF", Source("hf", "org/name", "v1.0", "a/q4.GGUF"), "hf://org/name@v1.0/a/q4.GGUF"),
    ("hf://org/name@a%2Fb/q4.gguf", Source("hf", "org/name", "a/b", "q4.gguf"), "hf://org/name@a%2Fb/q4.gguf"),
    (
        "hf://org/name@refs/pr/7/q4.gguf",
        Source("hf", "org/name", "refs/pr/7", "q4.gguf"),
        "hf://org/name@refs%2Fpr%2F7/q4.gguf",
    ),
    ("file:///m/a b@1.gguf", Source("file", "/m/a b@1.gguf"), "file:///m/a b@1.gguf"),
    ("./m.gguf", Source("file", "./m.gguf"), "file://./m.gguf"),
    ("/m.gguf", Source("file", "/m.gguf"), "file:///m.gguf"),
    ("openai://gpt-4o-mini", Source("openai", "gpt-4o-mini"), "openai://gpt-4o-mini"),
    ("oci://registry/repo@sha256:00", Source("oci", "registry/repo@sha256:00"), "oci://registry/repo@sha256:00"),
]

REFUSED: list[tuple[str, str]] = [
    ("chat", f"found 'chat'; {FORM}"),
    ("hf:org/name", f"found 'hf:org/name'; {FORM}"),
    ("builtin://", f"found 'builtin://'; {FORM}"),
    ("builtin://a b", f"found 'builtin://a b'; {FORM}"),
    ("hf://org", f"found 'hf://org'; {HF_FORM}"),
    ("hf://org/name@", f"found 'hf://org/name@'; {HF_FORM}"),
    ("hf://org/name/../x.gguf", f"found 'hf://org/name/../x.gguf'; {HF_FORM}"),
    (
        "hf://org/name/model.bin",
        "found the file 'model.bin'; only a .gguf file can be picked; leave it out for the whole model",
    ),
    ("file://~/m.gguf", "found 'file://~/m.gguf'; write the whole path instead of ~"),
    ("bultin://x", "unknown scheme 'bultin'; did you mean builtin://?"),
    ("ftp://x", f"unknown scheme 'ftp'; use one of {', '.join(SCHEMES)}"),
    (
        "https://huggingface.co/Qwen/Qwen2/tree/main",
        "found 'https://huggingface.co/Qwen/Qwen2/tree/main'; write hf://Qwen/Qwen2",
    ),
    ("https://huggingface.co/", f"found 'https://huggingface.co/'; {HF_FORM}"),
]


@pytest.mark.parametrize(("text", "source", "canonical"), READ)
def test_reads(text: str, source: Source, canonical: str) -> None:
    assert Source.parse(text) == source
    assert str(source) == canonical
    assert Source.parse(canonical) == source


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refuses_with_the_accepted_form(text: str, message: str) -> None:
    with pytest.raises(Fault) as caught:
        Source.parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("./m.gguf", "file:///home/u/m.gguf"),
        ("file://m.gguf", "file:///home/u/m.gguf"),
        ("../x/m.gguf", "file:///home/x/m.gguf"),
        ("file:///m.gguf", "file:///m.gguf"),
        ("org/name", "hf://org/name"),
    ],
)
def test_a_relative_file_is_seen_from_a_folder(text: str, whole: str) -> None:
    assert str(Source.parse(text).within("/home/u")) == whole


@given(
    st.text(max_size=60)
    | st.from_regex(r"(hf://)?[a-z]{1,5}/[a-z.]{1,8}(@[a-z/%2F]{1,8})?(/[a-z./]{1,9}gguf)?", fullmatch=True)
)
def test_any_text_is_refused_or_comes_back(text: str) -> None:
    source = attempt(lambda: Source.parse(text))
    if isinstance(source, ValueError):
        assert isinstance(source, Fault)
        assert len(str(source).splitlines()) == 1
    else:
        assert Source.parse(str(source)) == source

"""`headway up WORD`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import UsageError
from headway.spec.names import LONGEST, check_name, dns_label
from headway.spec.shorthand import FORMS, from_name
from headway.spec.source import FORM

KNOWN = ("smollm2-135m-instruct", "gemma-3-270m", "all-minilm-l6-v2")


@pytest.mark.parametrize(
    ("text", "name", "source"),
    [
        ("smollm2-135m-instruct", "smollm2-135m-instruct", "builtin://smollm2-135m-instruct"),
        ("builtin://gemma-3-270m", "gemma-3-270m", "builtin://gemma-3-270m"),
        ("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2-5-0-5b-instruct", "hf://Qwen/Qwen2.5-0.5B-Instruct-GGUF"),
        ("hf://org/Name@main", "name", "hf://org/Name@main"),
        ("hf://org/name@main/sub/Model.Q4_K_M.gguf", "model-q4-k-m", "hf://org/name@main/sub/Model.Q4_K_M.gguf"),
        ("./My Model.GGUF", "my-model", "file:///home/u/My Model.GGUF"),
        ("/models/qwen/", "qwen", "file:///models/qwen/"),
        ("openai://gpt-4o-mini", "gpt-4o-mini", "openai://gpt-4o-mini"),
        ("./---.gguf", "model", "file:///home/u/---.gguf"),
    ],
)
def test_a_model_from_one_word(text: str, name: str, source: str) -> None:
    model = from_name(text, known=KNOWN, base="/home/u")
    assert (model.name, model.source, model.replicas.wanted) == (name, source, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smollm2", "no file and no built-in model 'smollm2'; did you mean smollm2-135m-instruct?"),
        ("zzz", f"no file and no built-in model 'zzz'; built-in models: {', '.join(KNOWN)}"),
        ("builtin://gemma", "no built-in model 'gemma'; did you mean gemma-3-270m?"),
        ("a/b/c", f"found 'a/b/c'; {FORM}"),
        ("htp://x/y", "unknown scheme 'htp'; use one of builtin, file, hf, s3, gs, pvc, oci, ollama, openai"),
    ],
)
def test_other_words_are_told_what_to_give(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_name(text, known=KNOWN)
    assert str(caught.value) == message


def test_without_a_catalogue_the_forms_are_told() -> None:
    with pytest.raises(UsageError, match="give a file, a built-in model, org/name") as caught:
        from_name("zzz")
    assert caught.value.hint == FORMS


def test_a_relative_file_needs_a_folder() -> None:
    with pytest.raises(UsageError, match="a relative path; write the whole path"):
        from_name("./m.gguf")


@given(st.text(max_size=100))
def test_a_label_is_a_name_or_nothing(text: str) -> None:
    label = dns_label(text)
    assert label == "" or (check_name(label) == label and len(label) <= LONGEST)

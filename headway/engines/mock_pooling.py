"""What a mock engine answers without generating: embeddings, scores, ranks, token ids. Pure; shapes as vLLM's.

Vectors are made of a text's hash, scores of the words that two texts share: nonsense, but always the same.
"""

from __future__ import annotations

import array
import base64
import hashlib
import math
from functools import lru_cache
from typing import Any

import msgspec

from headway.engines import mock_text
from headway.engines.mock_question import Question, functions
from headway.engines.mock_text import BadRequest

__all__ = ["detokenized", "embeddings", "rendered", "reranked", "scored", "tokenized"]


def embeddings(body: Any, *, model: str, dimensions: int) -> dict[str, Any]:
    """Unit vectors. Raises BadRequest."""
    body = _object(body)
    texts = _texts(body, "input")
    size = body.get("dimensions") or dimensions
    if not isinstance(size, int) or not 1 <= size <= 65_536:
        raise BadRequest(f"dimensions: found {size!r}, use an integer of 1 to 65536")
    encode = _base64 if body.get("encoding_format") == "base64" else list
    data = [
        {"object": "embedding", "index": index, "embedding": encode(_vector(text, size))}
        for index, text in enumerate(texts)
    ]
    return {"object": "list", "model": model, "data": data, "usage": _usage(texts)}


def reranked(body: Any, *, model: str, ident: str) -> dict[str, Any]:
    """Documents by how well they fit the query, the best first. Raises BadRequest."""
    body = _object(body)
    (query,), documents = _texts(body, "query")[:1], _texts(body, "documents")
    most = body.get("top_n") or len(documents)
    if not isinstance(most, int) or most < 0:
        raise BadRequest(f"top_n: found {most!r}, use an integer above 0")
    scores = [_likeness(query, document) for document in documents]
    order = sorted(range(len(documents)), key=lambda index: (-scores[index], index))[:most]
    results = [{"index": at, "document": {"text": documents[at]}, "relevance_score": scores[at]} for at in order]
    return {"id": f"rerank-{ident}", "model": model, "usage": _usage([query, *documents]), "results": results}


def scored(body: Any, *, model: str, ident: str, created: int) -> dict[str, Any]:
    """Each pair of text_1 and text_2; one text_1 serves all. Raises BadRequest."""
    body = _object(body)
    left, right = _texts(body, "text_1"), _texts(body, "text_2")
    if len(left) == 1:
        left *= len(right)
    if len(left) != len(right):
        raise BadRequest(f"text_1: found {len(left)} texts for {len(right)} in text_2; use one, or as many")
    scores = [_likeness(*pair) for pair in zip(left, right, strict=True)]
    data = [{"index": index, "object": "score", "score": score} for index, score in enumerate(scores)]
    usage = _usage([*left, *right])
    return {"id": f"score-{ident}", "object": "list", "created": created, "model": model, "data": data, "usage": usage}


def rendered(question: Question, ident: str) -> dict[str, Any]:
    """What vLLM's /render says of one prompt: a request for its tokens-in tokens-out API."""
    return {
        "request_id": ident,
        "token_ids": _ids(question.prompt),
        "features": None,
        "sampling_params": {"n": 1, "temperature": 1.0, "top_p": 1.0, "max_tokens": question.length},
        "model": question.model,
        "stream": question.stream,
        "stream_options": {"include_usage": True} if question.usage else None,
        "cache_salt": question.salt or None,
        "priority": 0,
        "kv_transfer_params": None,
    }


@lru_cache(maxsize=16)
def _ids(prompt: bytes) -> msgspec.Raw:
    """As JSON, and remembered: a router asks all engines of a fleet for the same prompt, and here they share a core."""
    return msgspec.Raw(msgspec.json.encode(mock_text.ids(prompt)))


def tokenized(body: Any, longest: int) -> dict[str, Any]:
    """Raises BadRequest."""
    body = _object(body)
    prompt = mock_text.chat(body["messages"], functions(body)) if "messages" in body else _prompt(body)
    tokens = mock_text.ids(prompt)
    words = [mock_text.text([each]) for each in tokens] if body.get("return_token_strs") else None
    return {"count": len(tokens), "max_model_len": longest, "tokens": tokens, "token_strs": words}


def detokenized(body: Any) -> dict[str, Any]:
    """Raises BadRequest."""
    return {"prompt": mock_text.text(_object(body).get("tokens"))}


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequest("input: the body is not a JSON object")
    return body


def _prompt(body: dict[str, Any]) -> bytes:
    return mock_text.plain(body.get("prompt"))


def _texts(body: dict[str, Any], name: str) -> list[str]:
    given = body.get(name)
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, list) and texts and all(isinstance(text, dict) for text in texts):
        texts = [text.get("text") for text in texts]
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadRequest(f"{name}: use a string or a list of strings")
    return list(texts)


def _usage(texts: list[str]) -> dict[str, int]:
    tokens = sum(mock_text.count(mock_text.plain(text)) for text in texts)
    return {"prompt_tokens": tokens, "total_tokens": tokens}


def _likeness(one: str, other: str) -> float:
    """0..1: shared words of all words."""
    left, right = set(one.lower().split()), set(other.lower().split())
    return round(len(left & right) / max(1, len(left | right)), 6)


def _vector(text: str, dimensions: int) -> array.array[float]:
    raw = hashlib.shake_256(text.encode()).digest(dimensions)
    centred = [byte - 127.5 for byte in raw]
    length = math.sqrt(sum(value * value for value in centred))
    return array.array("f", (value / length for value in centred))


def _base64(vector: array.array[float]) -> str:
    return base64.b64encode(vector.tobytes()).decode()

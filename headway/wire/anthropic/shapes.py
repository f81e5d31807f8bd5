"""What a Messages call may hold, as its API reference names it. Any other field is refused.

Fields typed `Ignored` are read and left out: what they wish for does not exist behind a gateway of one's own, or
changes nothing in what the model is asked. docs/messages.md says of each why.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "Base64",
    "Block",
    "Document",
    "Image",
    "MessageCall",
    "PlainText",
    "RedactedThinking",
    "ResultBlock",
    "SearchResult",
    "Source",
    "Text",
    "Thinking",
    "Tool",
    "ToolChoice",
    "ToolResult",
    "ToolUse",
    "Turn",
    "Url",
    "Words",
]

Ignored = Any


class _Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Block(_Shape, frozen=True, kw_only=True):
    cache_control: Ignored = None  # engines find the prefixes that they have by themselves


# what an image or a document is made of


class Base64(_Shape, frozen=True, tag="base64"):
    media_type: str
    data: str


class Url(_Shape, frozen=True, tag="url"):
    url: str


class File(_Shape, frozen=True, tag="file"):
    file_id: str


class PlainText(_Shape, frozen=True, tag="text"):
    data: str
    media_type: str = "text/plain"


class Words(_Shape, frozen=True, tag="content"):
    content: str | list[Text]


Source = Base64 | Url | File | PlainText | Words

# blocks


class Text(_Block, frozen=True, tag="text"):
    text: str
    citations: Ignored = None


class Image(_Block, frozen=True, tag="image"):
    source: Source
    transformations: Ignored = None


class Document(_Block, frozen=True, tag="document"):
    source: Source
    title: str | None = None
    context: str | None = None
    citations: Ignored = None


class SearchResult(_Block, frozen=True, tag="search_result"):
    source: str
    title: str
    content: list[Text]
    citations: Ignored = None


class Thinking(_Block, frozen=True, tag="thinking"):
    thinking: str
    signature: str = ""


class RedactedThinking(_Block, frozen=True, tag="redacted_thinking"):
    data: str


class ToolUse(_Block, frozen=True, tag="tool_use"):
    id: str
    name: str
    input: msgspec.Raw
    caller: Ignored = None
    toolset_name: Ignored = None


ResultBlock = Text | Image | Document | SearchResult


class ToolResult(_Block, frozen=True, tag="tool_result"):
    tool_use_id: str
    content: str | list[ResultBlock] | None = None
    is_error: bool | None = None
    toolset_name: Ignored = None


Block = Text | Image | Document | SearchResult | Thinking | RedactedThinking | ToolUse | ToolResult


class Turn(_Shape, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


# tools


class Tool(_Shape, frozen=True):
    """One that the caller runs. Those that Anthropic runs, or whose schema only its models know, have another type."""

    name: str
    input_schema: msgspec.Raw
    description: str | None = None
    type: str | None = None
    strict: bool | None = None
    allowed_callers: list[str] | None = None
    cache_control: Ignored = None
    defer_loading: Ignored = None
    eager_input_streaming: Ignored = None
    input_examples: Ignored = None


class ToolChoice(_Shape, frozen=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


# how to answer


class ThinkingWish(_Shape, frozen=True):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class JsonFormat(_Shape, frozen=True):
    type: Literal["json_schema"]
    schema: msgspec.Raw


class OutputWish(_Shape, frozen=True):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None
    task_budget: Ignored = None


class Metadata(_Shape, frozen=True):
    user_id: str | None = None


class MessageCall(_Shape, frozen=True):
    model: str
    messages: list[Turn]
    max_tokens: int | None = None  # required, but for counting
    system: str | list[Text] | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: ToolChoice | None = None
    thinking: ThinkingWish | None = None
    output_config: OutputWish | None = None
    output_format: JsonFormat | None = None  # where `output_config.format` was, in its beta
    metadata: Metadata | None = None
    # of engines and of the gateway, under their own names
    cache_salt: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    ignore_eos: bool | None = None
    min_p: float | None = None
    prompt_cache_key: str | None = None
    seed: int | None = None
    # refused unless they are empty
    container: Any = None
    mcp_servers: list[Any] | None = None
    thread: Any = None
    compaction: Any = None
    # left out
    betas: Ignored = None
    billing_policy: Ignored = None
    cache_control: Ignored = None
    context_management: Ignored = None
    diagnostics: Ignored = None
    fallback_credit_token: Ignored = None
    fallbacks: Ignored = None
    inference_geo: Ignored = None
    service_tier: Ignored = None
    speed: Ignored = None
    user_profile_id: Ignored = None

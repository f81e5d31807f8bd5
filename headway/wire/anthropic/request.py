"""A Messages call as a chat call: read whole, checked, and written anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from headway.wire.anthropic.shapes import MessageCall, ThinkingWish
from headway.wire.anthropic.tools import tool_fields
from headway.wire.anthropic.turns import Untranslatable, chat_messages
from headway.wire.openai import Refusal, mistyped

__all__ = ["ChatForm", "read_message"]


@dataclass(frozen=True, slots=True)
class ChatForm:
    """`body` is the chat call. The rest is what its answer must be told with."""

    body: bytes
    model: str
    stop_sequences: tuple[str, ...] = ()
    hides_thinking: bool = False
    begun: str = ""  # what the caller has written of the answer itself


_DECODER = msgspec.json.Decoder(MessageCall)
_ELSEWHERE = {
    "container": "there are no containers here",
    "mcp_servers": "the gateway calls no MCP servers; call them where your tools run",
    "thread": "conversations are not kept here; send the messages",
    "compaction": "conversations are not shortened here; send the messages that shall be read",
}
_AS_THEY_ARE = ("temperature", "top_p", "top_k", "cache_salt", "ignore_eos", "min_p", "prompt_cache_key", "seed")


def read_message(body: bytes, *, counting: bool = False) -> ChatForm | Refusal:
    """`counting`: its tokens are only to be counted, and it needs no `max_tokens`."""
    try:
        call = _DECODER.decode(body)
        fields = _fields(call, counting=counting)
    except msgspec.ValidationError as error:
        return mistyped(str(error))
    except RecursionError:
        return Refusal(400, "invalid_json", "The body is nested too deeply.")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refusal(400, "invalid_json", f"The body is not valid JSON: {error}.")
    except Untranslatable as error:
        return Refusal(400, error.code, str(error), error.field)
    hides = call.thinking is not None and call.thinking.display == "omitted"
    begun = fields["messages"][-1]["content"] if "continue_final_message" in fields else ""
    return ChatForm(msgspec.json.encode(fields), call.model, tuple(call.stop_sequences or ()), hides, begun)


def _fields(call: MessageCall, *, counting: bool) -> dict[str, Any]:
    for name, why in _ELSEWHERE.items():
        if getattr(call, name):
            raise Untranslatable(name, why)
    if not call.messages:
        raise Untranslatable("messages", "expected an array of at least one message", "invalid_type")
    fields: dict[str, Any] = {"model": call.model, "messages": chat_messages(call.system, call.messages)}
    fields |= tool_fields(call.tools or (), call.tool_choice)
    fields |= _how(call)
    fields |= _prefill(fields["messages"])
    if not counting:
        fields |= _length(call)
    return fields


def _length(call: MessageCall) -> dict[str, Any]:
    if call.max_tokens is None:
        raise Untranslatable("max_tokens", "this field is required", "missing_field")
    if call.max_tokens < 1:
        raise Untranslatable("max_tokens", "expected 1 or more; a cache is warmed by its first request")
    fields: dict[str, Any] = {"max_tokens": call.max_tokens}
    if call.stop_sequences:
        fields["stop"] = call.stop_sequences
    if call.stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return fields


def _how(call: MessageCall) -> dict[str, Any]:
    fields = {name: value for name in _AS_THEY_ARE if (value := getattr(call, name)) is not None}
    if call.metadata and call.metadata.user_id:
        fields["user"] = call.metadata.user_id
    template = (_thinking(call.thinking, fields) if call.thinking else {}) | (call.chat_template_kwargs or {})
    if template:
        fields["chat_template_kwargs"] = template
    wish = call.output_config
    if wish and wish.effort:
        fields["reasoning_effort"] = wish.effort
    if form := (wish.format if wish else None) or call.output_format:
        schema = {"name": "answer", "schema": form.schema, "strict": True}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return fields


def _thinking(wish: ThinkingWish, fields: dict[str, Any]) -> dict[str, Any]:
    """What the chat template is told. `adaptive` leaves it to the model, which is what engines do unasked."""
    if wish.type not in ("enabled", "disabled"):
        return {}
    if wish.type == "enabled" and wish.budget_tokens is not None:
        fields["thinking_budget_tokens"] = wish.budget_tokens  # llama.cpp's name
        fields["thinking_token_budget"] = wish.budget_tokens  # vLLM's
    return {"enable_thinking": wish.type == "enabled"}


def _prefill(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A conversation that ends with the assistant is to be gone on with in mid-sentence."""
    if not messages or messages[-1]["role"] != "assistant":
        return {}
    if "tool_calls" in messages[-1]:
        raise Untranslatable("messages", "the last one calls a tool; its tool_result must follow")
    return {"continue_final_message": True, "add_generation_prompt": False}

"""The tools of a Messages call, and which of them the model may or must use, as chat completions say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headway.wire.anthropic.shapes import Tool, ToolChoice
from headway.wire.anthropic.turns import Untranslatable

__all__ = ["tool_fields"]


class _Kind(msgspec.Struct):
    type: str | None = None


_KIND = msgspec.json.Decoder(_Kind)
_TOOL = msgspec.json.Decoder(Tool)


def tool_fields(tools: Sequence[msgspec.Raw], choice: ToolChoice | None) -> dict[str, Any]:
    """Raises Untranslatable, and msgspec.ValidationError with the place that it knows of."""
    if not tools:
        if choice and choice.type in ("any", "tool"):
            raise Untranslatable("tool_choice", "there are no tools to choose from")
        return {}
    functions = [_tool(raw, f"tools[{index}]") for index, raw in enumerate(tools)]
    fields: dict[str, Any] = {"tools": functions}
    if choice and choice.type == "tool":
        fields = {"tools": [_named(choice.name, functions)], "tool_choice": "required"}
    elif choice:
        fields["tool_choice"] = "required" if choice.type == "any" else choice.type
    if choice and choice.disable_parallel_tool_use:
        fields["parallel_tool_calls"] = False
    return fields


def _tool(raw: msgspec.Raw, at: str) -> dict[str, Any]:
    kind = _KIND.decode(raw).type
    if kind not in (None, "custom"):
        why = f"{kind!r} is run by Anthropic or known to its models alone; describe a tool of your own by input_schema"
        raise Untranslatable(at, why)
    try:
        tool = _TOOL.decode(raw)
    except msgspec.ValidationError as error:
        raise Untranslatable(at, str(error), "invalid_type") from error
    if not bytes(tool.input_schema).startswith(b"{"):
        raise Untranslatable(f"{at}.input_schema", "expected object", "invalid_type")
    if tool.allowed_callers is not None and "direct" not in tool.allowed_callers:
        raise Untranslatable(f"{at}.allowed_callers", "a model calls tools directly, and there is no other caller")
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _named(name: str | None, functions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The one that must be used, so that it alone is shown: engines that take no choice by name would pass over it."""
    if not name:
        raise Untranslatable("tool_choice.name", "this field is required", "missing_field")
    for each in functions:
        if each["function"]["name"] == name:
            return each
    raise Untranslatable("tool_choice.name", f"no tool is named {name!r}")

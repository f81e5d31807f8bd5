"""A conversation of the Messages API as chat messages.

What comes later changes nothing before it, so that engines, and the gateway's index of what they have cached, find the
beginning of a conversation that grows. Turns of one role in a row are one turn, as the API says and many chat templates
demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headway.wire.anthropic.shapes import (
    Base64,
    Block,
    Document,
    Image,
    PlainText,
    RedactedThinking,
    ResultBlock,
    SearchResult,
    Source,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Turn,
    Url,
    Words,
)

__all__ = ["Untranslatable", "chat_messages"]

_Part = dict[str, Any]
_BILLING = "x-anthropic-billing-header:"
"""With it begins a block that Claude Code puts before its system prompt. It differs in every request, says nothing to a
model, and no two prompts that begin with it share anything in a cache."""


class Untranslatable(Exception):
    """What cannot be said to an engine: where it is, and why not."""

    def __init__(self, field: str, why: str, code: str = "not_translatable") -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.code = field, code


def chat_messages(system: str | list[Text] | None, turns: Sequence[Turn]) -> list[_Part]:
    """Raises Untranslatable."""
    said = [_words(system)] if system else []
    first = 0
    while first < len(turns) and turns[first].role == "system":
        said.append(_words(_texts(turns[first].content, f"messages[{first}]")))
        first += 1
    chat = _Chat()
    if system_text := "\n\n".join(text for text in said if text):
        chat.messages.append({"role": "system", "content": system_text})
    for index in range(first, len(turns)):
        chat.add(turns[index], f"messages[{index}]")
    return chat.flat()


class _Chat:
    """The content of a user's message is a list of parts until the end."""

    def __init__(self) -> None:
        self.messages: list[_Part] = []

    def add(self, turn: Turn, at: str) -> None:
        blocks: Sequence[Block] = [Text(text=turn.content)] if isinstance(turn.content, str) else turn.content
        if turn.role == "assistant":
            self._assistant(blocks, at)
        elif turn.role == "system":
            self._aside(turn, at)
        else:
            self._user(blocks, at)

    def flat(self) -> list[_Part]:
        return [
            {**each, "content": _flat(each["content"])} if isinstance(each["content"], list) else each
            for each in self.messages
        ]

    def _aside(self, turn: Turn, at: str) -> None:
        """An instruction in mid-conversation. Many templates refuse a system message there, and at the beginning it
        would change the prompt from its first token on; so it stays in its place, marked, as Claude Code does it."""
        text = _words(_texts(turn.content, at))
        self._say([{"type": "text", "text": f"<system-reminder>\n{text}\n</system-reminder>"}])

    def _user(self, blocks: Sequence[Block], at: str) -> None:
        parts: list[_Part] = []
        for index, block in enumerate(blocks):
            where = f"{at}.content[{index}]"
            if isinstance(block, ToolResult):
                parts += self._result(block, where)
            elif isinstance(block, Text | Image | Document | SearchResult):
                parts.append(_part(block, where))
            else:
                raise Untranslatable(where, "this block is the assistant's, not the user's")
        if parts or not blocks:
            self._say(parts)

    def _say(self, parts: list[_Part]) -> None:
        if self.messages and self.messages[-1]["role"] == "user":
            self.messages[-1]["content"] += parts
        else:
            self.messages.append({"role": "user", "content": parts})

    def _result(self, block: ToolResult, at: str) -> list[_Part]:
        """The result as a tool's message, which holds text alone; what it has of images, for the user's to show."""
        content = block.content or ""
        given: Sequence[ResultBlock] = [Text(text=content)] if isinstance(content, str) else content
        parts = [_part(each, f"{at}.content[{index}]") for index, each in enumerate(given)]
        text = "\n\n".join(part["text"] for part in parts if part["type"] == "text")
        if block.is_error:
            text = f"Error: {text}" if text else "Error"
        self.messages.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": text})
        images = [part for part in parts if part["type"] != "text"]
        return [{"type": "text", "text": f"Images of the result {block.tool_use_id}:"}, *images] if images else []

    def _assistant(self, blocks: Sequence[Block], at: str) -> None:
        if not self.messages or self.messages[-1]["role"] != "assistant":
            self.messages.append({"role": "assistant", "content": ""})
        said = self.messages[-1]
        for index, block in enumerate(blocks):
            if isinstance(block, Text):
                said["content"] += block.text
            elif isinstance(block, Thinking):
                thought = said.get("reasoning", "") + block.thinking
                said["reasoning"] = said["reasoning_content"] = thought  # vLLM's name, and that of all others
            elif isinstance(block, ToolUse):
                said.setdefault("tool_calls", []).append(_call(block, f"{at}.content[{index}]"))
            elif not isinstance(block, RedactedThinking):  # which only Anthropic can read
                raise Untranslatable(f"{at}.content[{index}]", "this block is the user's, not the assistant's")


def _call(block: ToolUse, at: str) -> _Part:
    arguments = bytes(block.input).decode()
    if not arguments.startswith("{"):
        raise Untranslatable(f"{at}.input", "expected object", "invalid_type")
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}}


def _part(block: ResultBlock, at: str) -> _Part:
    if isinstance(block, Text):
        return {"type": "text", "text": block.text}
    if isinstance(block, Image):
        return {"type": "image_url", "image_url": {"url": _picture(block.source, at)}}
    if isinstance(block, SearchResult):
        text = _words(block.content)
        return {"type": "text", "text": _framed("search_result", text, title=block.title, source=block.source)}
    return {"type": "text", "text": _framed("document", _written(block, at), title=block.title, about=block.context)}


def _picture(source: Source, at: str) -> str:
    if isinstance(source, Url):
        return source.url
    if isinstance(source, Base64):
        return f"data:{source.media_type};base64,{source.data}"
    raise Untranslatable(f"{at}.source", "an image is given as base64 or by its url; there is no Files API here")


def _written(block: Document, at: str) -> str:
    source = block.source
    if isinstance(source, PlainText):
        return source.data
    if isinstance(source, Words):
        return _words(source.content)
    raise Untranslatable(f"{at}.source", "engines read text, not PDF files; send the document's text")


def _framed(name: str, text: str, **attributes: str | None) -> str:
    """Text that came with a title, so that the model sees where it begins and ends."""
    said = "".join(f' {key}="{value}"' for key, value in attributes.items() if value)
    return f"<{name}{said}>\n{text}\n</{name}>"


def _texts(content: str | list[Block], at: str) -> str | list[Text]:
    if isinstance(content, str):
        return content
    for index, block in enumerate(content):
        if not isinstance(block, Text):
            raise Untranslatable(f"{at}.content[{index}]", "the system says text and nothing else")
    return [block for block in content if isinstance(block, Text)]


def _words(content: str | list[Text]) -> str:
    if isinstance(content, str):
        return content
    return "\n\n".join(block.text for block in content if not block.text.startswith(_BILLING))


def _flat(parts: list[_Part]) -> str | list[_Part]:
    """Text alone is a string: not every engine and template reads parts."""
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts

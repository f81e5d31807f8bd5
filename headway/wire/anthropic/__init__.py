"""Anthropic's Messages API said in OpenAI's chat completions, and the answers said back. Pure.

    shapes     what a Messages call may hold, field by field
    request    a call -> a chat call (ChatForm), or why not (Refusal)
    turns      its conversation: system, messages and their blocks
    tools      its tools and the choice among them
    answer     a chat completion -> a Message
    stream     chunks of a chat completion -> named events
    models     the list of models
    errors     refusals and engines' errors in Anthropic's shape

What cannot be said to an engine is refused by name, or listed in docs/messages.md as left out; nothing in between.
"""

from headway.wire.anthropic.answer import Unreadable, message, token_count
from headway.wire.anthropic.errors import engine_error, is_messages, refusal_answer
from headway.wire.anthropic.models import model_info, model_page
from headway.wire.anthropic.request import ChatForm, read_message
from headway.wire.anthropic.stream import MessageStream

__all__ = [
    "ChatForm",
    "MessageStream",
    "Unreadable",
    "engine_error",
    "is_messages",
    "message",
    "model_info",
    "model_page",
    "read_message",
    "refusal_answer",
    "token_count",
]

"""What an engine says that an answer took, in tokens."""

from __future__ import annotations

import msgspec

__all__ = ["NewerUsage", "Usage"]


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None

    @property
    def cached_tokens(self) -> int | None:
        return self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None


class NewerUsage(msgspec.Struct, rename={"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}):
    """As the newer of OpenAI's APIs call it: responses, audio, images."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens_details: PromptDetails | None = None

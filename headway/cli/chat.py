"""`headway chat NAME [PROMPT]`: talk to a model through the gateway; tokens as they come, then how fast."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from headway.cli.client import ControlClient
from headway.cli.names import complete_name, model_named
from headway.cli.stream import ask
from headway.errors import HeadwayError, UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    app.command()(chat)


def chat(
    name: Annotated[str, typer.Argument(help="A model.", autocompletion=complete_name)],
    prompt: Annotated[
        str | None, typer.Argument(help="What to say; without it, a conversation (or standard input).")
    ] = None,
    system: Annotated[str | None, typer.Option(help="A system message.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, help="0 = always the likeliest word.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object with text and figures.")] = False,
) -> None:
    """Talk to a model: the answer streams, then tokens/s. A model that is still starting is waited for."""
    model = model_named(ControlClient().get("/state"), name)
    if model["task"] == "embedding":
        raise UsageError(f"{name} makes embeddings and does not talk", hint=f"POST {model['address']}/embeddings")
    talk = _Talk(model, system, {"max_tokens": max_tokens, "temperature": temperature}, as_json)
    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read()
    if prompt is not None:
        talk.say(prompt)
        return
    print(f"{name}: end with Ctrl-D", file=sys.stderr)
    import readline  # noqa: F401, PLC0415  (gives input() its history and editing)

    while (line := _read()) is not None:
        try:
            talk.say(line)
        except HeadwayError as error:
            print(f"error: {error}", file=sys.stderr)


class _Talk:
    """One conversation. A base model has no roles: it goes on with the text."""

    def __init__(self, model: dict[str, Any], system: str | None, options: dict[str, Any], as_json: bool) -> None:
        self._model, self._as_json = model, as_json
        self._options = {key: value for key, value in options.items() if value is not None}
        self._messages = [{"role": "system", "content": system}] if system else []

    def say(self, text: str) -> None:
        answer = ask(self._model["address"], self._body(text), None if self._as_json else _write)
        if self._model["task"] == "chat":
            self._messages.append({"role": "assistant", "content": answer.text})
        if self._as_json:
            import json  # noqa: PLC0415

            print(json.dumps(answer.to_dict()))
            return
        print(flush=True)
        print(_dim(answer.figures()), file=sys.stderr)

    def _body(self, text: str) -> dict[str, Any]:
        body = {
            "model": self._model["name"],
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._options,
        }
        if self._model["task"] == "completion":
            return body | {"prompt": text}
        self._messages.append({"role": "user", "content": text})
        return body | {"messages": self._messages}


def _write(piece: str) -> None:
    print(piece, end="", flush=True)


def _read() -> str | None:
    try:
        return input("> ")
    except (EOFError, KeyboardInterrupt):
        print()
        return None


def _dim(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if sys.stderr.isatty() else text

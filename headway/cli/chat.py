"""`headway chat NAME [PROMPT]`: talk to a model through the gateway; tokens as they come, then how fast."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Annotated, Any

import typer

from headway.cli.names import complete_name, model_named
from headway.cli.on import ON, place, state
from headway.cli.reach import reached
from headway.cli.stream import ask
from headway.cli.words import coloured
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
    on: Annotated[str | None, ON] = None,
) -> None:
    """Talk to a model and see its speed.

    The answer streams, then comes how fast it was. A model that is still starting is waited for. On a cluster whose
    gateway has no address outside, it goes through the API server (port-forward). HEADWAY_API_KEY is the caller's key
    where tenants have them.
    """
    where = place(on)
    snapshot = state(where)
    model = model_named(snapshot, name)
    if model["task"] == "embedding":
        raise UsageError(f"{name} makes embeddings and does not talk", hint=f"POST {model['address']}/embeddings")
    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read()
    if prompt is not None and not prompt.strip():
        raise UsageError("nothing to say", hint=f'headway chat {name} "What is the capital of France?"')
    with reached(where, snapshot, model) as address:
        talk = _Talk(model, address, system, {"max_tokens": max_tokens, "temperature": temperature}, as_json)
        if prompt is None:
            _converse(name, talk)
            return
        if model["state"] not in ("ready", "degraded") and not as_json:
            print(_dim(f"{name} is {model['state']}: {model['message']}; waiting for it ..."), file=sys.stderr)
        talk.say(prompt)


def _converse(name: str, talk: _Talk) -> None:
    """Line by line until Ctrl-D. Ctrl-C ends an answer and not the conversation; so does a fault."""
    print(_dim(f"{name}: Ctrl-C stops an answer, Ctrl-D ends"), file=sys.stderr)
    with contextlib.suppress(ImportError):  # some Pythons are built without it
        import readline  # noqa: F401, PLC0415  (gives input() its history and editing)
    while (line := _read()) is not None:
        if not line.strip():
            continue
        try:
            talk.say(line)
        except HeadwayError as error:
            print(f"error: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print(_dim("(stopped)"), file=sys.stderr)


class _Talk:
    """One conversation. A base model has no roles: it goes on with the text."""

    def __init__(
        self, model: dict[str, Any], address: str, system: str | None, options: dict[str, Any], as_json: bool
    ) -> None:
        self._model, self._address, self._as_json = model, address, as_json
        self._options = {key: value for key, value in options.items() if value is not None}
        self._messages = [{"role": "system", "content": system}] if system else []

    def say(self, text: str) -> None:
        """A turn that fails leaves no trace in the conversation."""
        said = {"role": "user", "content": text}
        if self._as_json:
            answer = ask(self._address, self._body(said), None)
            print(json.dumps(answer.to_dict()), flush=True)
        else:
            with _Paper() as paper:
                answer = ask(self._address, self._body(said), paper.write)
            print(_dim(answer.figures()), file=sys.stderr)
        self._messages += [said, {"role": "assistant", "content": answer.text}]

    def _body(self, said: dict[str, str]) -> dict[str, Any]:
        body = {
            "model": self._model["name"],
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._options,
        }
        if self._model["task"] == "completion":
            return body | {"prompt": said["content"]}
        return body | {"messages": [*self._messages, said]}


class _Paper:
    """stdout, piece by piece; whatever ends the answer, what was written ends with its line."""

    def __init__(self) -> None:
        self._within_line = False

    def __enter__(self) -> _Paper:
        return self

    def __exit__(self, *_: object) -> None:
        if self._within_line:
            print(flush=True)

    def write(self, piece: str) -> None:
        self._within_line = not piece.endswith("\n")
        print(piece, end="", flush=True)


def _read() -> str | None:
    try:
        return input("> ")
    except EOFError:
        print()
        return None
    except KeyboardInterrupt:
        print()
        return ""


def _dim(text: str) -> str:
    return coloured(text, "2", sys.stderr)

"""Kind `App`: a long-running web program beside the models. `model` says how the classes become the schema and page.

A preset fills in what is left out, here and nowhere else: `App.whole` is the App with nothing left to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from headway.spec import about_app as about
from headway.spec.bounded import Path, Text, whole
from headway.spec.fault import Fault, describe
from headway.spec.fields import Bytes, Cores, Env, GpuText, Name, Seconds
from headway.spec.model import SiteKey
from headway.spec.strict import Strict

__all__ = ["PRESETS", "App", "AppProfile", "Preset", "PresetName", "Whole"]

PresetName = Literal["notebook", "vscode", "gradio", "streamlit"]
MOST_WORDS = 200
COMMAND_FORM = "write a list of words, like [python, app.py]"
READY_FORM = "write a path, like /healthz"
GB = 10**9


@dataclass(frozen=True, slots=True)
class Preset:
    """`env`: what makes the program listen where it shall; `token`: the variable of the password that it asks people
    for, `link`: how that is put into its address. `program`: what there must be on this machine, `install`: what brings
    it."""

    image: str
    port: int
    ready: str
    command: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    token: str = ""
    link: str = ""
    program: str = ""
    install: str = ""
    cpu: float = 1.0
    memory: int = 1 * GB
    as_root: tuple[str, ...] = ()  # words without which it does not run as root; a cluster never does
    home: str = ""  # in the image: where storage is mounted
    uid: int = 1000


PRESETS: dict[str, Preset] = {
    "notebook": Preset(
        image="quay.io/jupyter/scipy-notebook:lab-4.4.9",
        port=8888,
        ready="/api",
        command=("jupyter", "lab", "--no-browser", "--ip={host}", "--port={port}", "--ServerApp.port_retries=0"),
        token="JUPYTER_TOKEN",  # noqa: S106 - the name of a variable
        link="/lab?token={token}",
        program="jupyter",
        install="pip install jupyterlab",
        as_root=("--allow-root",),
        memory=2 * GB,
        home="/home/jovyan",
    ),
    "vscode": Preset(
        image="docker.io/codercom/code-server:4.104.3",
        port=8080,
        ready="/healthz",
        command=("code-server", "--bind-addr={host}:{port}", "--auth=password", "--disable-telemetry"),
        token="PASSWORD",  # noqa: S106 - the name of a variable
        program="code-server",
        install="https://coder.com/docs/code-server/install",
        memory=2 * GB,
        home="/home/coder",
    ),
    "gradio": Preset(
        image="docker.io/library/python:3.12-slim",
        port=7860,
        ready="/",
        env=(("GRADIO_SERVER_NAME", "{host}"), ("GRADIO_SERVER_PORT", "{port}"), ("GRADIO_ANALYTICS_ENABLED", "False")),
        install="pip install gradio",
        home="/data",
    ),
    "streamlit": Preset(
        image="docker.io/library/python:3.12-slim",
        port=8501,
        ready="/_stcore/health",
        env=(
            ("STREAMLIT_SERVER_ADDRESS", "{host}"),
            ("STREAMLIT_SERVER_PORT", "{port}"),
            ("STREAMLIT_SERVER_HEADLESS", "true"),
            ("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false"),
        ),
        install="pip install streamlit",
        home="/data",
    ),
}
BARE = Preset(image="", port=8000, ready="/", home="/data")


def _read_command(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value or len(value) > MOST_WORDS:
        raise Fault(f"found {describe(value)}", COMMAND_FORM)
    for each in value:
        if not isinstance(each, str) or not each or "\0" in each:
            raise Fault(f"found {describe(each)} in it", COMMAND_FORM)
    return tuple(value)


def _read_ready(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable() or " " in value:
        raise Fault(f"found {describe(value)}", READY_FORM)
    return value


Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_read_command),
    WithJsonSchema(
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": MOST_WORDS}
    ),
]
PathText = Annotated[
    str, BeforeValidator(_read_ready), WithJsonSchema({"type": "string", "pattern": "^/[^ ]*$", "maxLength": 1024})
]
Port = Annotated[
    int,
    whole(1024, 65535, "write a port from 1024 to 65535: a program that is not root may take no lower one"),
    WithJsonSchema({"type": "integer", "minimum": 1024, "maximum": 65535}),
]


class AppProfile(Strict):
    """What is different on one Site (by its name) or kind of Site (local, kubernetes)."""

    image: Annotated[Text | None, about.IMAGE] = None
    command: Annotated[Command | None, about.COMMAND] = None
    folder: Annotated[Path | None, about.FOLDER] = None
    gpu: Annotated[GpuText | None, about.GPU] = None
    cpu: Annotated[Cores | None, about.CPU] = None
    memory: Annotated[Bytes | None, about.MEMORY] = None
    storage: Annotated[Bytes | None, about.STORAGE] = None
    idle: Annotated[Seconds | None, about.IDLE] = None
    env: Annotated[Env | None, about.ENV] = None


@dataclass(frozen=True, slots=True)
class Whole:
    """An App with nothing left out. `command` is empty for an image's own; placeholders are still in the words."""

    preset: Preset
    image: str
    command: tuple[str, ...]
    port: int
    ready: str
    env: dict[str, str]
    cpu: float
    memory: int


class App(Strict):
    """A web program that runs beside the models and may call them."""

    kind: Annotated[Literal["App"], about.KIND] = "App"
    name: Annotated[Name, about.NAME]
    preset: Annotated[PresetName | None, about.PRESET] = None
    image: Annotated[Text | None, about.IMAGE] = None
    command: Annotated[Command | None, about.COMMAND] = None
    port: Annotated[Port | None, about.PORT] = None
    ready: Annotated[PathText | None, about.READY] = None
    folder: Annotated[Path | None, about.FOLDER] = None
    storage: Annotated[Bytes | None, about.STORAGE] = None
    idle: Annotated[Seconds | None, about.IDLE] = None
    tenant: Annotated[Name | None, about.TENANT] = None
    models: Annotated[tuple[Text, ...] | None, about.MODELS, Field(max_length=100)] = None
    gpu: Annotated[GpuText | None, about.GPU] = None
    cpu: Annotated[Cores | None, about.CPU] = None
    memory: Annotated[Bytes | None, about.MEMORY] = None
    env: Annotated[Env, about.ENV] = Field(default_factory=dict)
    profiles: Annotated[dict[SiteKey, AppProfile], about.PROFILES] = Field(default_factory=dict)

    def on(self, site: str, kind: str) -> App:
        """As it runs on one Site: profile by Site name, else by Site kind, laid over the rest."""
        profile = self.profiles.get(site) or self.profiles.get(kind)
        if profile is None:
            return self
        changes = {name: value for name, value in profile if value is not None}
        if "env" in changes:
            changes["env"] = {**self.env, **changes["env"]}
        return self.model_copy(update=changes)

    @property
    def whole(self) -> Whole:
        preset = PRESETS[self.preset] if self.preset else BARE
        return Whole(
            preset=preset,
            image=self.image or preset.image,
            command=self.command or preset.command,
            port=self.port or preset.port,
            ready=self.ready or preset.ready,
            env={**dict(preset.env), **self.env},
            cpu=self.cpu or preset.cpu,
            memory=self.memory or preset.memory,
        )

    @model_validator(mode="after")
    def _runs(self) -> App:
        if self.preset in ("gradio", "streamlit") and not (self.command or self.image or self.profiles):
            example = "[python, app.py]" if self.preset == "gradio" else "[streamlit, run, app.py]"
            raise Fault("says no command", f"write command: {example}, or an image that runs it", ("command",))
        if self.preset is None and not (self.command or self.image or self.profiles):
            raise Fault(
                "says nothing to run", "write preset: notebook, or command: [python, app.py], or image:", ("preset",)
            )
        return self

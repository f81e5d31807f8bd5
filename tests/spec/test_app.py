"""Kind App: what a preset gives, what a profile changes, what is refused."""

from __future__ import annotations

import pytest

from headway.errors import SpecError
from headway.spec.app import PRESETS, App
from headway.spec.load import load


def app(text: str) -> App:
    (found,) = load(f"kind: App\nname: a\n{text}", "f.yaml", "/home/ann")
    assert isinstance(found, App)
    return found


def test_a_preset_says_what_is_left_out() -> None:
    whole = app("preset: notebook").whole
    assert whole.command[0] == "jupyter"
    assert (whole.port, whole.ready, whole.preset.token) == (8888, "/api", "JUPYTER_TOKEN")


def test_what_is_written_goes_before_the_preset() -> None:
    whole = app(
        "preset: streamlit\ncommand: [streamlit, run, app.py]\nport: 9000\nenv: {STREAMLIT_SERVER_PORT: x}"
    ).whole
    assert (whole.command[-1], whole.port, whole.ready) == ("app.py", 9000, "/_stcore/health")
    assert whole.env["STREAMLIT_SERVER_PORT"] == "x"
    assert whole.env["STREAMLIT_SERVER_HEADLESS"] == "true"


def test_a_profile_is_laid_over_and_env_by_key() -> None:
    text = "command: [x]\nenv: {A: '1', B: '2'}\nprofiles: {local: {gpu: cpu, env: {B: '3'}}}\ngpu: L4"
    here, there = app(text).on("local", "local"), app(text).on("prod", "kubernetes")
    assert (here.gpu, here.env) == ("cpu", {"A": "1", "B": "3"})
    assert (there.gpu, there.env) == ("L4", {"A": "1", "B": "2"})


def test_a_folder_is_seen_from_the_file() -> None:
    assert app("command: [x]\nfolder: ./work").folder == "/home/ann/work"


def test_an_app_reads_back_as_it_was_dumped() -> None:
    made = app(
        "preset: notebook\nidle: 30m\nstorage: 10GB\nmodels: [chat]\ntenant: t\ngpu: L4\nprofiles: {x: {idle: 1h}}"
    )
    assert App.model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("idle: 5m", "says nothing to run"),
        ("preset: gradio", "says no command"),
        ("preset: jupyter", "preset"),
        ("command: python app.py", "write a list of words"),
        ("command: []", "write a list of words"),
        ("command: [x]\nport: 80", "1024"),
        ("command: [x]\nready: healthz", "write a path"),
        ("command: [x]\nidle: 30", "which has no unit"),
        ("command: [x]\nenv: {API_KEY: abc}", "looks like a credential"),
        ("command: [x]\nreplicas: 2", "unknown field"),
    ],
)
def test_what_cannot_be_is_told(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        app(text)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_listens_where_it_is_told(name: str) -> None:
    """Its words or its variables have both places; else it would listen somewhere else than is probed."""
    preset = PRESETS[name]
    words = " ".join([*preset.command, *(value for _, value in preset.env)])
    assert "{port}" in words
    assert "{host}" in words
    assert preset.ready.startswith("/")
    assert preset.image.count(":") == 1, "an image with a tag, so that it does not change by itself"

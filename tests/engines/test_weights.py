"""`headway weights`: each kind of source brought to a folder by its real client, whole or not at all."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.engines import hub
from headway.engines.base import Progress
from headway.engines.weights import marker
from headway.engines.weights.bring import bring, wait
from headway.engines.weights.marker import Asked
from headway.engines.weights.registry import OLLAMA
from headway.errors import ResourceError, SourceError
from tests.support.fake_hub import FakeHub
from tests.support.gguf_files import write_gguf
from tests.support.stores import Bucket, Registry

SAFE = {"config.json": b"{}", "model.safetensors": b"weights" * 1000, "tokenizer.json": b"{}"}
LEFT = {"pytorch_model.bin": b"pickle", "modeling.py": b"import os", "original/model.safetensors": b"twice"}
TAR = "application/vnd.oci.image.layer.v1.tar+gzip"


@pytest.fixture
def gguf(tmp_path: Path) -> bytes:
    return write_gguf(tmp_path / "written.gguf").read_bytes()


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    pytest.importorskip("obstore")
    with Bucket({f"llama/{name}": content for name, content in {**SAFE, **LEFT}.items()}).serve() as one:
        for name, value in {
            "AWS_ENDPOINT": f"http://{one.address}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
        }.items():
            monkeypatch.setenv(name, value)
        yield one


def files(folder: Path) -> dict[str, bytes]:
    names = [str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()]
    return {name: (folder / name).read_bytes() for name in names if not name.startswith(".")}


def unheard(_: Progress) -> None: ...


def packed(*members: tuple[str, bytes], link: str = "") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("models/link.json")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return made.getvalue()


def test_a_folder_of_a_bucket_without_code_and_second_copies(bucket: Bucket, to: Path) -> None:
    assert bring(Asked("s3://models/llama/", "folder"), to, unheard)
    assert files(to) == SAFE


def test_a_second_time_asks_nobody(bucket: Bucket, to: Path) -> None:
    asked = Asked("s3://models/llama/", "folder")
    bring(asked, to, unheard)
    bucket.asked.clear()
    assert not bring(asked, to, unheard)
    assert bucket.asked == []


def test_a_file_that_was_cut_short_is_brought_again(bucket: Bucket, to: Path) -> None:
    asked = Asked("s3://models/llama/", "folder")
    bring(asked, to, unheard)
    (to / "model.safetensors").write_bytes(b"wei")
    assert not marker.is_whole(to, asked)
    assert bring(asked, to, unheard)
    assert files(to) == SAFE


def test_another_model_in_the_same_folder_does_not_count(bucket: Bucket, to: Path) -> None:
    bring(Asked("s3://models/llama/", "folder"), to, unheard)
    assert not marker.is_whole(to, Asked("s3://models/other/", "folder"))


def test_one_file_of_a_bucket(bucket: Bucket, to: Path, gguf: bytes) -> None:
    bucket.files = {"q/a-Q4_K_M.gguf": gguf, "q/b.gguf": b"other"}
    bring(Asked("s3://models/q/a-Q4_K_M.gguf", "gguf"), to, unheard)
    assert files(to) == {"a-Q4_K_M.gguf": gguf}


def test_the_usual_gguf_of_several_has_the_name_that_the_engine_is_told(bucket: Bucket, to: Path, gguf: bytes) -> None:
    bucket.files = {"q/a-Q4_K_M.gguf": gguf, "q/a-Q8_0.gguf": b"other"}
    bring(Asked("s3://models/q", "gguf"), to, unheard)
    assert files(to) == {"model.gguf": gguf}


def test_what_is_no_gguf_is_told_and_leaves_nothing(bucket: Bucket, to: Path) -> None:
    bucket.files = {"q/a.gguf": b"<html>a proxy's page</html>"}
    with pytest.raises(SourceError):
        bring(Asked("s3://models/q/a.gguf", "gguf"), to, unheard)
    assert files(to) == {}


def test_a_bucket_that_lets_nobody_in_says_how(bucket: Bucket, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with pytest.raises(SourceError, match="403") as told:
        bring(Asked("s3://models/llama/", "folder"), to, unheard)
    assert "secret:NAME/KEY" in (told.value.hint or "")


def test_a_repository_of_the_hub_at_a_branch(to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.forget()
    monkeypatch.setenv("HF_HUB_CACHE", "")
    with FakeHub({**SAFE, **LEFT}, {}).serve() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        bring(Asked("hf://org/model", "folder"), to, unheard)
    assert files(to) == SAFE
    hub.forget()


@pytest.mark.parametrize("index", [False, True])
def test_the_folder_of_an_image(to: Path, index: bool) -> None:
    layer = packed(*((f"models/{name}", content) for name, content in SAFE.items()), ("etc/passwd", b"x"))
    with Registry("org/m", [(TAR, "", layer)], index=index).serve() as registry:
        bring(Asked(f"oci://{registry.address}/org/m:1.0/models", "folder"), to, unheard)
    assert files(to) == SAFE


def test_an_image_makes_no_links_and_leaves_its_folder_never(to: Path) -> None:
    bad = ("models/../../evil.json", b"{}")
    layer = packed(*((f"models/{name}", content) for name, content in SAFE.items()), bad, link="/etc/passwd")
    with Registry("org/m", [(TAR, "", layer)]).serve() as registry:
        bring(Asked(f"oci://{registry.address}/org/m:1.0/models", "folder"), to, unheard)
    assert files(to) == SAFE
    assert not list(to.parent.rglob("evil.json"))


def test_an_artifact_with_a_file_a_layer_behind_a_login(to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [("application/octet-stream", name, content) for name, content in SAFE.items()]
    with Registry("org/m", layers, user="me").serve() as registry:
        asked = Asked(f"oci://{registry.address}/org/m:1.0", "folder")
        with pytest.raises(SourceError, match="without a name") as told:
            bring(asked, to, unheard)
        assert "OCI_USERNAME" in (told.value.hint or "")
        monkeypatch.setenv("OCI_USERNAME", "me")
        monkeypatch.setenv("OCI_PASSWORD", "word")
        bring(asked, to, unheard)
    assert files(to) == SAFE


def test_a_model_of_ollamas_library(to: Path, gguf: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [
        ("application/vnd.ollama.image.model", "", gguf),
        ("application/vnd.ollama.image.template", "", b"{{ .Prompt }}"),
    ]
    with Registry("library/tiny", layers).serve() as registry:
        monkeypatch.setenv(OLLAMA, registry.address)
        bring(Asked("ollama://tiny", "gguf"), to, unheard)
    assert files(to) == {"model.gguf": gguf}


def test_a_blob_that_is_not_what_its_digest_says(to: Path) -> None:
    registry = Registry("org/m", [("application/octet-stream", "model.safetensors", b"right")])
    registry.blobs = dict.fromkeys(registry.blobs, b"wrong")
    with registry.serve(), pytest.raises(SourceError, match="is not what came"):
        bring(Asked(f"oci://{registry.address}/org/m:1.0", "folder"), to, unheard)
    assert files(to) == {}


def test_who_waits_goes_on_when_another_has_brought_them(bucket: Bucket, to: Path) -> None:
    asked = Asked("s3://models/llama/", "folder")

    def meanwhile(_: float) -> None:
        bring(asked, to, unheard)

    wait(asked, to, 60, unheard, meanwhile)
    assert marker.is_whole(to, asked)


def test_who_waits_too_long_is_told_where_to_look(to: Path) -> None:
    with pytest.raises(ResourceError, match="after 0 s") as told:
        wait(Asked("s3://models/llama/", "folder"), to, 0, unheard, lambda _: None)
    assert "component=weights" in (told.value.hint or "")


def test_who_waits_is_told_why_the_fetch_failed_until_it_is_tried_again(bucket: Bucket, to: Path) -> None:
    asked, held = Asked("s3://models/llama/", "folder"), bucket.files
    bucket.files = {}
    with pytest.raises(SourceError, match="nothing lies there"):
        bring(asked, to, unheard)
    with pytest.raises(SourceError, match="the fetch failed: s3://models/llama/: nothing lies there"):
        wait(asked, to, 60, unheard)
    bucket.files = held
    bring(asked, to, unheard)
    wait(asked, to, 0, unheard)
    assert marker.failure(to, asked) == ""


def test_the_command_as_a_pod_runs_it(bucket: Bucket, to: Path) -> None:
    argv = [sys.executable, "-m", "headway", "weights", "s3://models/llama/", "--to", str(to)]
    first, second = (subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False) for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert "brought to" in first.stdout
    assert "was there already" in second.stdout

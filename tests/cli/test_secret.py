"""`headway secret`: what it prints can be opened by the controller's key alone, at its place alone."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

from headway.errors import SecretError
from headway.sites.kubernetes.sealed import Certificate
from tests.support import schemas

ROOT = Path(__file__).parents[2]
TOKEN = "hf_thisIsTheValueThatNobodyMaySee"


def _certificate(key: Any, days: int = 30) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sealed-secret")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def cert(key: rsa.RSAPrivateKey, tmp_path: Path) -> Path:
    path = tmp_path / "controller.pem"
    path.write_bytes(_certificate(key))
    return path


def _headway(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headway", "secret", *words]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)


def _opened(sealed: str, key: rsa.RSAPrivateKey, label: str) -> bytes:
    """As the controller does (sealed-secrets, pkg/crypto: HybridDecrypt)."""
    raw = base64.b64decode(sealed)
    length = int.from_bytes(raw[:2], "big")
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=label.encode())
    session = key.decrypt(raw[2 : 2 + length], oaep)
    return AESGCM(session).decrypt(bytes(12), raw[2 + length :], None)


@pytest.mark.parametrize(
    ("scope", "label", "annotations"),
    [
        ("strict", "research/hf", None),
        ("namespace-wide", "research", {"sealedsecrets.bitnami.com/namespace-wide": "true"}),
        ("cluster-wide", "", {"sealedsecrets.bitnami.com/cluster-wide": "true"}),
    ],
)
def test_only_the_controller_opens_it_and_only_at_its_place(
    key: rsa.RSAPrivateKey, cert: Path, scope: str, label: str, annotations: Any
) -> None:
    words = ("seal", "hf", "token", "--cert", str(cert), "--namespace", "research", "--scope", scope)
    done = _headway(*words, given=TOKEN + "\n")
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    made = yaml.safe_load(done.stdout)
    schemas.check(made)
    assert made["metadata"].get("annotations") == annotations
    sealed = made["spec"]["encryptedData"]["token"]
    assert _opened(sealed, key, label) == TOKEN.encode()
    with pytest.raises((ValueError, InvalidTag)):
        _opened(sealed, key, "elsewhere/hf")
    again = yaml.safe_load(_headway(*words, given=TOKEN).stdout)["spec"]["encryptedData"]["token"]
    assert again != sealed, "two sealings tell nobody that they hold the same"


def test_values_come_from_files(key: rsa.RSAPrivateKey, cert: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\r\n")
    (tmp_path / "b").write_bytes(bytes(range(256)))
    words = ("seal", "s3", f"id={tmp_path / 'a'}", f"key={tmp_path / 'b'}", "--cert", str(cert))
    data = yaml.safe_load(_headway(*words).stdout)["spec"]["encryptedData"]
    assert _opened(data["id"], key, "default/s3") == b"one"
    assert _opened(data["key"], key, "default/s3") == bytes(range(256))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("seal", "hf", "token"), "found nothing"),
        (("seal", "hf", "token", "--scope", "wide"), "use one of strict"),
        (("seal", "HF", "token"), "write a name"),
        (("seal", "hf", "token", "token"), "stands twice"),
        (("seal", "hf", "token=/nowhere"), "/nowhere"),
        (("external", "hf", "token", "--store", "vault"), "write token=PATH"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(cert: Path, words: tuple[str, ...], told: str) -> None:
    done = _headway(*words, *(("--cert", str(cert)) if words[0] == "seal" else ()))
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_certificate_that_is_none_or_over_is_refused(key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(SecretError, match="no certificate"):
        Certificate.read(b"-----BEGIN NOTHING-----")
    with pytest.raises(SecretError, match="ended on"):
        Certificate.read(_certificate(key, days=-1))
    with pytest.raises(SecretError, match="no RSA key"):
        Certificate.read(_certificate(ec.generate_private_key(ec.SECP256R1())))


def test_an_external_secret_names_the_place_of_each_value() -> None:
    words = ("external", "hf", "token=team/hf#token", "id=team/id", "--store", "vault", "--namespace", "research")
    made = yaml.safe_load(_headway(*words).stdout)
    assert made["apiVersion"] == "external-secrets.io/v1"
    assert json.dumps(made["spec"]["data"]) == json.dumps(
        [
            {"secretKey": "token", "remoteRef": {"key": "team/hf", "property": "token"}},
            {"secretKey": "id", "remoteRef": {"key": "team/id"}},
        ]
    )
    assert made["spec"]["target"] == {"name": "hf", "creationPolicy": "Owner"}

"""A SealedSecret, made without a cluster: values that only the controller of one cluster can read.

The format is that of bitnami-labs/sealed-secrets (pkg/crypto): a session key of 32 bytes, encrypted with RSA-OAEP
(SHA-256) for the controller's certificate under a label that binds it to its place; the value, encrypted with
AES-256-GCM under that key, whose nonce may be zero because no key is used twice; both in one text, the length of the
first in two bytes before it. It can be committed: the label makes it useless in another namespace or by another name.
"""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from headway.errors import SecretError, UsageError
from headway.wire.kube.manifest import Manifest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

__all__ = ["CERTIFICATE_PATH", "SCOPES", "Certificate", "Scope", "external_secret", "sealed_secret"]

Scope = Literal["strict", "namespace-wide", "cluster-wide"]
SCOPES: tuple[Scope, ...] = ("strict", "namespace-wide", "cluster-wide")
CERTIFICATE_PATH = (
    "/api/v1/namespaces/{namespace}/services/http:sealed-secrets-controller:/proxy/v1/cert.pem"  # what kubeseal asks
)
_NONCE = bytes(12)
_ANNOTATION = "sealedsecrets.bitnami.com/"


@dataclass(frozen=True, slots=True)
class Certificate:
    """The controller's public key. `until`: the end of its time; the controller makes a new one every 30 days."""

    key: RSAPublicKey
    until: datetime

    @classmethod
    def read(cls, pem: bytes, *, now: datetime | None = None) -> Certificate:
        """Raises SecretError for no certificate with an RSA key, and for one whose time is over."""
        try:
            from cryptography import x509  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
        except ImportError as error:
            raise UsageError("sealing needs cryptography", hint="pip install 'headway[kubernetes]'") from error
        try:
            found = x509.load_pem_x509_certificate(pem)
        except ValueError as error:
            told = "write what kubeseal --fetch-cert prints"
            raise SecretError("no certificate in PEM form", hint=told) from error
        key = found.public_key()
        if not isinstance(key, RSAPublicKey):
            raise SecretError("the certificate has no RSA key", hint="take that of the sealed-secrets controller")
        if found.not_valid_after_utc < (now or datetime.now(UTC)):
            over = found.not_valid_after_utc.date()
            raise SecretError(f"the certificate ended on {over}", hint="fetch the present one: kubeseal --fetch-cert")
        return cls(key, found.not_valid_after_utc)

    def seal(self, value: bytes, label: str) -> str:
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        session = os.urandom(32)
        wrap = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=label.encode())
        wrapped = self.key.encrypt(session, wrap)
        sealed = struct.pack(">H", len(wrapped)) + wrapped + AESGCM(session).encrypt(_NONCE, value, None)
        return base64.b64encode(sealed).decode()


def sealed_secret(
    name: str, namespace: str, values: Mapping[str, bytes], certificate: Certificate, *, scope: Scope = "strict"
) -> Manifest:
    """The object to commit and apply; the controller makes the Secret of the same name from it."""
    label = {"strict": f"{namespace}/{name}", "namespace-wide": namespace, "cluster-wide": ""}[scope]
    metadata: dict[str, Any] = {"name": name, "namespace": namespace}
    if scope != "strict":
        metadata["annotations"] = {f"{_ANNOTATION}{scope}": "true"}
    return {
        "apiVersion": "bitnami.com/v1alpha1",
        "kind": "SealedSecret",
        "metadata": metadata,
        "spec": {
            "encryptedData": {key: certificate.seal(value, label) for key, value in values.items()},
            "template": {"metadata": dict(metadata), "type": "Opaque"},
        },
    }


def external_secret(name: str, namespace: str, keys: Mapping[str, str], store: str, *, cluster_store: bool) -> Manifest:
    """For External Secrets (external-secrets.io/v1): by key, where the value lies in the store (`path` or
    `path#property`)."""
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"name": store, "kind": "ClusterSecretStore" if cluster_store else "SecretStore"},
            "target": {"name": name, "creationPolicy": "Owner"},
            "data": [{"secretKey": key, "remoteRef": _remote(where)} for key, where in keys.items()],
        },
    }


def _remote(where: str) -> dict[str, str]:
    path, _, inside = where.partition("#")
    return {"key": path} | ({"property": inside} if inside else {})

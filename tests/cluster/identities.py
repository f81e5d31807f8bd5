"""A certificate authority for one test run: certificates of servers and users, and kubeconfigs of these users.

A user of the Kubernetes API is its certificate's common name, its groups are the organisations (kubernetes.io,
"Authenticating": X509 client certificates).
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Identities"]

LIFE = datetime.timedelta(days=2)


class Identities:
    """Writes what it makes into `folder`."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder, self.server = folder, server
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("headway-tests")
        self._ca = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.ca = self._write("ca.crt", self._ca.public_bytes(serialization.Encoding.PEM))
        tokens = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.tokens = self._write("tokens.key", _pem(tokens))
        """Signs the tokens of service accounts."""

    def certificate(self, name: str, groups: Sequence[str] = (), *, hosts: Sequence[str] = ()) -> tuple[Path, Path]:
        """Certificate and key: of a server where there are hosts, else of a user."""
        stem = f"{name}-{'-'.join(groups)}".replace(":", "_")
        crt, key_file = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        if crt.exists():
            return crt, key_file
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        extensions: list[x509.ExtensionType] = [x509.ExtendedKeyUsage([usage])]
        if hosts:
            extensions.append(x509.SubjectAlternativeName([_host(each) for each in hosts]))
        made = self._signed(_name(name, groups), key.public_key(), *extensions)
        self._write(key_file.name, _pem(key))
        return self._write(crt.name, made.public_bytes(serialization.Encoding.PEM)), key_file

    def kubeconfig(self, user: str, groups: Sequence[str] = (), *, token: str = "", namespace: str = "default") -> Path:
        """By certificate, or by token where one is given."""
        if token:
            credentials: dict[str, str] = {"token": token}
        else:
            crt, key = self.certificate(user, groups)
            credentials = {"client-certificate-data": _encoded(crt), "client-key-data": _encoded(key)}
        cluster = {"server": self.server, "certificate-authority-data": _encoded(self.ca)}
        said = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": user, "context": {"cluster": "tests", "user": user, "namespace": namespace}}],
            "current-context": user,
        }
        return self._write(f"{user.replace(':', '_')}-{namespace}.kubeconfig", msgspec.json.encode(said))

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + LIFE)
        for each in extensions:
            builder = builder.add_extension(each, critical=isinstance(each, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path


def _name(common: str, groups: Sequence[str] = ()) -> x509.Name:
    said = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in groups]
    return x509.Name([*said, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()

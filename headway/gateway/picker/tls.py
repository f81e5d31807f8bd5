"""How the picker proves who it is to the data plane: with the user's certificate, or one that it signs itself.

Gateways that follow the Gateway API Inference Extension speak TLS to a picker without checking its certificate, so one
signed by itself is what they expect when nothing is configured.
"""

from __future__ import annotations

import datetime
import logging
import os
import socket
from pathlib import Path
from typing import Any

import grpc

from headway.errors import ResourceError
from headway.gateway.tls import Certificate

__all__ = ["credentials", "self_signed"]

log = logging.getLogger("headway.gateway")

_DAYS = 3650


def credentials(certificate: Certificate) -> grpc.ServerCredentials:
    """Of these files; when they change, the next connection gets what they then hold. Raises ResourceError."""
    certificate.check()
    seen = certificate.signature()

    def renewed() -> Any:
        nonlocal seen
        if (now := certificate.signature()) == seen:
            return None
        try:
            certificate.check()
            found = _read(certificate)
        except (ResourceError, OSError) as error:  # half-written: the next connection finds it whole
            log.warning("the certificate in use stays: %s", error)
            return None
        seen = now
        log.info("the certificate was renewed")
        return found

    return grpc.dynamic_ssl_server_credentials(_read(certificate), renewed)


def _read(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(certificate.key.read_bytes(), certificate.chain.read_bytes())])


def self_signed(folder: Path) -> Certificate:
    """A fresh pair in this folder, the key for this user alone."""
    from cryptography import x509  # noqa: PLC0415 (seldom needed)
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "headway picker")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName(socket.gethostname())])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    signed = builder.not_valid_after(now + datetime.timedelta(days=_DAYS)).add_extension(names, critical=False)
    chain = signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair = Certificate(folder / "picker.pem", folder / "picker.key")
    _write(pair.key, secret, 0o600)
    _write(pair.chain, chain, 0o644)
    return pair


def _write(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    fresh.replace(path)

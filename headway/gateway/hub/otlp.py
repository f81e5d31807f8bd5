"""Where traces go: an OTLP/HTTP collector, by option or by the variables of the OpenTelemetry specification.

--otlp URL, OTEL_EXPORTER_OTLP_ENDPOINT     the collector; /v1/traces is added
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT          the address as it stands
OTEL_EXPORTER_OTLP_HEADERS                  name=value,… (percent-encoded), like an API key
OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES who sends
OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER     true, none: nothing is sent, whatever the rest says
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from headway.errors import UsageError

__all__ = ["Collector", "Sent", "collector", "post"]

TIMEOUT_SECONDS = 10.0
"""The specification's default."""
MOST_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Collector:
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    resource: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sent:
    """A collector's answer. Status 0: there was none, and `body` says why. `retry_after` in seconds, where it said."""

    status: int
    body: bytes
    retry_after: float | None = None


def collector(given: str, environment: Mapping[str, str]) -> Collector | None:
    """None = no traces. Raises UsageError for an address that cannot be one."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    named = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    base = given or ("" if named else environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""))
    url = f"{base.rstrip('/')}/v1/traces" if base else named
    if not url or (not given and environment.get("OTEL_TRACES_EXPORTER") == "none"):
        return None
    if not given and environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "") == "grpc":
        raise UsageError(
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", hint="Headway sends OTLP over HTTP: --otlp http://host:4318"
        )
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UsageError(f"{url!r} is not the address of a collector", hint="write --otlp http://host:4318")
    resource = {"service.name": "headway-gateway"} | _pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    if name := environment.get("OTEL_SERVICE_NAME"):
        resource["service.name"] = name
    return Collector(url, _pairs(environment.get("OTEL_EXPORTER_OTLP_HEADERS", "")), resource)


def post(to: Collector, body: bytes) -> Sent:
    """Send; blocks, TIMEOUT_SECONDS at each step."""
    import http.client  # noqa: PLC0415 (only where somebody wants traces)
    import ssl  # noqa: PLC0415

    url = urlsplit(to.url)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(url.netloc, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(url.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", path, body, {"content-type": "application/json", **to.headers})
        answer = connection.getresponse()
        again = answer.headers.get("retry-after", "")
        return Sent(answer.status, answer.read(MOST_ANSWER), float(again) if again.isdigit() else None)
    except (OSError, http.client.HTTPException) as error:
        return Sent(0, (str(error) or type(error).__name__).encode())
    finally:
        connection.close()


def _pairs(text: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in text.split(",") if "=" in each)
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs}

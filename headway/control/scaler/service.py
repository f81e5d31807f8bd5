"""The gRPC server that KEDA asks (keda.sh, "External Scalers"): `triggers: [{type: external}]`, or `external-push`.

    metadata: {scalerAddress: headway-operator.headway.svc:9486, model: chat}
              namespace: of the Model (the ScaledObject's own if left out)
              sequences: requests that one Replica bears at once (its engine's own limit if left out)

The metric is the number of Replicas that the Model should have, and its target is 1: the HPA that KEDA makes wants so
many. It is in plain text, for callers inside of the cluster, and tells nothing but this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
import grpc.aio

from headway.control.scaler.advice import asked_of, verdict_of
from headway.control.scaler.external_scaler_pb2 import (
    GetMetricSpecResponse,
    GetMetricsRequest,
    GetMetricsResponse,
    IsActiveResponse,
    MetricSpec,
    MetricValue,
    ScaledObjectRef,
)
from headway.control.scaler.gateways import LOOK, Gateways
from headway.control.scaler.history import History
from headway.errors import HeadwayError, ResourceError
from headway.policy.scaling.scaler import Verdict
from headway.wire.kube.manifest import Manifest, Ref
from headway.wire.kube.resource import resource

__all__ = ["METRIC", "SERVICE", "ScalerServer"]

SERVICE = "externalscaler.ExternalScaler"
METRIC = "headway-replicas"
TARGET = 1.0
_MODEL = resource("Model")


class RefusedError(Exception):
    """`status` and what KEDA writes into its events."""

    def __init__(self, status: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.status = status


class ScalerServer:
    """`models`: the Models of the cluster as they are; `site`: whose profiles of them count."""

    def __init__(self, gateways: Gateways, models: Callable[[], Mapping[Ref, Manifest]], site: str) -> None:
        self._gateways, self._models, self._site = gateways, models, site
        self._server = grpc.aio.server()

    async def start(self, host: str, port: int) -> int:
        """Returns the port. Raises ResourceError."""
        self._server.add_generic_rpc_handlers((self._handlers(),))
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            taken = self._server.add_insecure_port(where)
        except RuntimeError as error:
            hint = "choose another --scaler-port"
            raise ResourceError(f"{where}: cannot listen there", hint=hint) from error
        await self._server.start()
        return taken

    async def stop(self) -> None:
        await self._server.stop(1.0)

    async def verdict(self, ref: ScaledObjectRef) -> Verdict:
        """Raises RefusedError."""
        said = dict(ref.scalerMetadata)
        name, namespace = said.get("model", ""), said.get("namespace") or ref.namespace
        if not name:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "metadata.model names no Model")
        manifest = self._models().get(Ref(_MODEL.api_version, _MODEL.kind, namespace, name))
        if manifest is None:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"there is no Model {namespace}/{name}")
        try:
            asked = asked_of(manifest, self._site, _number(said.get("sequences", "")))
        except HeadwayError as error:
            raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, str(error)) from None
        if not await self._gateways.fresh():
            raise RefusedError(
                grpc.StatusCode.UNAVAILABLE, "no gateway of Headway answers: nothing is known of the load"
            )
        return verdict_of(asked, self._gateways.histories.get(name, History()), time.monotonic())

    async def is_active(self, ref: ScaledObjectRef, context: Any) -> IsActiveResponse:
        return IsActiveResponse(result=(await self._told(ref, context)).target > 0)

    async def stream_is_active(self, ref: ScaledObjectRef, context: Any) -> AsyncIterator[IsActiveResponse]:
        """At once, and when it changes."""
        said: bool | None = None
        while True:
            active = (await self._told(ref, context)).target > 0
            if active != said:
                said = active
                yield IsActiveResponse(result=active)
            await asyncio.sleep(LOOK)

    async def metric_spec(self, ref: ScaledObjectRef, context: Any) -> GetMetricSpecResponse:
        return GetMetricSpecResponse(
            metricSpecs=[MetricSpec(metricName=METRIC, targetSize=int(TARGET), targetSizeFloat=TARGET)]
        )

    async def metrics(self, request: GetMetricsRequest, context: Any) -> GetMetricsResponse:
        target = (await self._told(request.scaledObjectRef, context)).target
        value = MetricValue(metricName=METRIC, metricValue=target, metricValueFloat=float(target))
        return GetMetricsResponse(metricValues=[value])

    async def _told(self, ref: ScaledObjectRef, context: Any) -> Verdict:
        try:
            return await self.verdict(ref)
        except RefusedError as refused:
            await context.abort(refused.status, str(refused))
            raise  # abort has raised

    def _handlers(self) -> grpc.GenericRpcHandler:
        def one(method: Any, asked: Any, answer: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(method, asked.FromString, answer.SerializeToString)

        stream = grpc.unary_stream_rpc_method_handler(
            self.stream_is_active, ScaledObjectRef.FromString, IsActiveResponse.SerializeToString
        )
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "IsActive": one(self.is_active, ScaledObjectRef, IsActiveResponse),
                "StreamIsActive": stream,
                "GetMetricSpec": one(self.metric_spec, ScaledObjectRef, GetMetricSpecResponse),
                "GetMetrics": one(self.metrics, GetMetricsRequest, GetMetricsResponse),
            },
        )


def _number(written: str) -> float:
    """0: nothing is written."""
    try:
        found = float(written or 0)
    except ValueError:
        found = -1.0
    if found < 0:
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"metadata.sequences: found {written!r}, write a number")
    return found

"""Kind `Model`: what a user asks to be served under one name."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headway.spec.revision import Task

__all__ = ["EngineName", "Model", "Profile", "Replicas", "Slo"]

EngineName = Literal["llamacpp", "embed", "vllm", "openai", "mock"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Replicas(Strict):
    """A number or a range; a range runs max(1, low) until scaling exists."""

    low: int = 1
    high: int = 1

    @property
    def wanted(self) -> int:
        return self.low if self.low == self.high else max(1, self.low)


class Slo(Strict):
    """p95 limits in seconds."""

    ttft: float | None = None
    itl: float | None = None


class Profile(Strict):
    """What is different on one Site (by its name) or kind of Site (local, kubernetes)."""

    source: str | None = None
    engine: EngineName | None = None
    replicas: Replicas | None = None
    gpu: str | None = None
    cpu: float | None = None
    memory: int | None = None
    args: dict[str, Any] | None = None
    env: dict[str, str] | None = None


class Model(Strict):
    kind: Literal["Model"] = "Model"
    name: str
    source: str
    task: Task | None = None
    engine: EngineName | None = None
    replicas: Replicas = Replicas()
    gpu: str | None = None
    cpu: float | None = None
    memory: int | None = None
    slo: Slo | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    profiles: dict[str, Profile] = Field(default_factory=dict)

    def on(self, site: str, kind: str) -> Model:
        """The Model as it is served on one Site: profile by Site name, else by Site kind, laid over the rest."""
        profile = self.profiles.get(site) or self.profiles.get(kind)
        if profile is None:
            return self
        changes = profile.model_dump(exclude_none=True, exclude={"replicas"})
        if profile.replicas is not None:
            changes["replicas"] = profile.replicas
        return self.model_copy(update=changes)

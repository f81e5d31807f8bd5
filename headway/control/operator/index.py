"""Objects by something they say of themselves, kept as they change: whose child, of which Model, whom it scales."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from headway.wire.kube.manifest import Manifest, Ref

__all__ = ["Index"]


class Index:
    """`key`: None = the object is under no key."""

    def __init__(self, key: Callable[[Manifest], Hashable | None]) -> None:
        self._key = key
        self._objects: dict[Hashable, dict[Ref, Manifest]] = {}
        self._keys: dict[Ref, Hashable] = {}

    def put(self, at: Ref, manifest: Manifest | None) -> Hashable | None:
        """Note an object as it is now, None = it is gone. Returns the key that it is or was under."""
        before = self._keys.pop(at, None)
        if before is not None:
            self._objects[before].pop(at, None)
            if not self._objects[before]:
                del self._objects[before]
        if manifest is None or (now := self._key(manifest)) is None:
            return before
        self._keys[at] = now
        self._objects.setdefault(now, {})[at] = manifest
        return now

    def get(self, key: Hashable) -> Mapping[Ref, Manifest]:
        return self._objects.get(key, {})

"""Whether the path of a request was compiled when Headway was installed (docs/gateway.md, "Compiled"): this file is,
with the rest of it."""

from typing import Final

__all__ = ["COMPILED"]

COMPILED: Final = not __file__.endswith(".py")

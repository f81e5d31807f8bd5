"""Children that do not outlive the tests, however these end."""

from __future__ import annotations

import ctypes
import os
import signal

__all__ = ["end_with_us"]


def end_with_us() -> None:
    """For `preexec_fn`: the kernel ends it when we are killed and can end nothing (prctl(2), PR_SET_PDEATHSIG)."""
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)

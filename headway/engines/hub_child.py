"""The one place that imports the hub's client: a program of its own, run by `hub`, so that it can be timed
out and ended.

    python -m headway.engines.hub_child resolve REPO REVISION          -> one JSON line: a Repository
    python -m headway.engines.hub_child fetch REPO COMMIT TOTAL FILE…  -> `Progress N of M` lines
A failure is one JSON line {"failed": KIND, "message": …} and exit status 1.
"""

from __future__ import annotations

import errno
import json
import sys
import time
from typing import Any

__all__ = ["main"]

REQUEST_SECONDS = 8.0
REPORT_EVERY = 0.25
HTTP_CLIENTS = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "socket", "ssl")


def resolve(repo: str, revision: str) -> None:
    from huggingface_hub import HfApi  # noqa: PLC0415 - nothing is imported before it is known to be needed

    info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=REQUEST_SECONDS)
    gguf: dict[str, Any] = getattr(info, "gguf", None) or {}
    config: dict[str, Any] = info.config or {}
    files = {
        each.rfilename: {"size": each.size or 0, "sha256": each.lfs.sha256 if each.lfs else ""}
        for each in info.siblings or ()
    }
    found = {
        "commit": info.sha,
        "files": files,
        "architecture": next(iter(config.get("architectures") or ()), ""),
        "chat_template": bool(gguf.get("chat_template")) if gguf else None,
        "context": gguf.get("context_length") or 0,
    }
    say(json.dumps(found))


def fetch(repo: str, commit: str, total: int, files: list[str]) -> None:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415
    from tqdm import tqdm  # type: ignore[import-untyped] # noqa: PLC0415 - the hub's client brings it

    done, told = 0, 0.0

    class Counting(tqdm):  # type: ignore[misc]
        """Counts for our progress lines; draws nothing itself."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            nonlocal done
            done += int(kwargs.get("initial") or 0)
            kwargs.pop("name", None)
            super().__init__(*args, **(kwargs | {"disable": True}))

        def update(self, n: float | None = 1) -> None:
            nonlocal done, told
            done += int(n or 0)
            if (now := time.monotonic()) - told > REPORT_EVERY:
                told = now
                say(f"Progress {done} of {max(total, done)}")

    for file in files:
        hf_hub_download(repo, file, revision=commit, tqdm_class=Counting)
    say(f"Progress {total} of {total}")


def kind_of(error: Exception) -> str:
    """What went wrong, in a word that `hub` knows."""
    from huggingface_hub import errors  # noqa: PLC0415

    known = (
        ("gated", errors.GatedRepoError),
        ("no_repository", errors.RepositoryNotFoundError),
        ("no_revision", errors.RevisionNotFoundError),
        ("no_file", errors.EntryNotFoundError),
        ("invalid", errors.HFValidationError),
        ("http", errors.HfHubHTTPError),
    )
    for kind, tree in known:
        if isinstance(error, tree):
            return kind
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "disk_full"
    causes = _causes(error)
    modules = {base.__module__.partition(".")[0] for each in causes for base in type(each).__mro__}
    reached = modules.isdisjoint(HTTP_CLIENTS) and not any(isinstance(each, ConnectionError) for each in causes)
    return "failed" if reached else "unreachable"


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argv: list[str]) -> int:
    verb, repo, revision, *rest = argv
    try:
        if verb == "resolve":
            resolve(repo, revision)
        else:
            fetch(repo, revision, int(rest[0]), rest[1:])
    except ImportError as error:
        say(json.dumps({"failed": "not_installed", "message": str(error)}))
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        say(json.dumps({"failed": kind_of(error), "message": lines[0]}))
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

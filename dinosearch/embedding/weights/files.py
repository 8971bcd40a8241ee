"""Where weight files lie on this machine, and how the official ones are fetched: resumed, checked, placed atomically.

It knows names and bytes only: what is inside a weight file is the business of `weights`.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from platformdirs import user_cache_path

from dinosearch.embedding.checkpoints import BUNDLED, Checkpoint
from dinosearch.embedding.weights.download import receive
from dinosearch.errors import DamagedWeightsError, WeightsUnavailableError
from dinosearch.home import atomic_path, sha256_file, sync_file, sync_folder
from dinosearch.protocols import Progress

CONNECT_TIMEOUT = 10.0  # seconds
_DIGITS = re.compile(r"-([0-9a-f]{8,64})\.pth$")
OTHER_FETCH_TIMEOUT = 600.0  # seconds to wait for another process that fetches the same file


def weights_folder() -> Path:
    """Where fetched weights are put: DINOSEARCH_WEIGHTS, or the user's cache folder."""
    named = os.environ.get("DINOSEARCH_WEIGHTS")
    return Path(named).expanduser() if named else cache_folder() / "checkpoints"


def offline() -> bool:
    """Whether DINOSEARCH_OFFLINE forbids the network."""
    return os.environ.get("DINOSEARCH_OFFLINE", "").lower() not in ("", "0", "false", "no")


def locate(checkpoint: Checkpoint) -> Path | None:
    """The weight file if it is on this machine: bundled, in our own folders, or where torch.hub keeps its files."""
    if checkpoint.bundled:
        return BUNDLED if BUNDLED.is_file() else None
    torch_home = os.environ.get("TORCH_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    torch_hub = Path(torch_home).expanduser() / "hub" / "checkpoints"
    for folder in (weights_folder(), cache_folder() / "checkpoints", torch_hub):
        for name in (checkpoint.file_name, f"{checkpoint.name}.safetensors"):
            if (folder / name).is_file():
                return folder / name
    return None


def fetch(
    checkpoint: Checkpoint,
    progress: Progress | None = None,
    *,
    deadline: float | None = None,
    connect_timeout: float = CONNECT_TIMEOUT,
) -> Path:
    """Fetch the official file into `weights_folder()`; an interrupted fetch goes on where it stopped.

    Processes that want the same file at once fetch it once.

    Args:
        checkpoint: one that is not bundled.
        progress: told about stage `fetch` in bytes.
        deadline: seconds for the whole fetch; given up early once the rate shows that it cannot be met.
        connect_timeout: seconds for the server's first answer, name look-up included, and for each later silence.

    Raises:
        WeightsUnavailableError: no network, offline mode, too slow for the deadline, or a file that is given out on
            request only; says which file to put where.
        DamagedWeightsError: what came does not have the published SHA-256; it is deleted.
    """
    from filelock import FileLock, Timeout  # only who fetches waits for it to load

    target = weights_folder() / checkpoint.file_name
    if checkpoint.page is not None:
        raise _gated(checkpoint, target)
    if offline():
        raise _unavailable(checkpoint, target, "DINOSEARCH_OFFLINE is set")
    part = target.with_name(target.name + ".part")
    wait = OTHER_FETCH_TIMEOUT if deadline is None else deadline
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(target.name + ".lock"), timeout=wait):
            if target.is_file():  # another process has just fetched it
                return target
            receive(str(checkpoint.url), part, checkpoint.bytes, progress, deadline, connect_timeout)
            _check_digest(checkpoint, part, target)
            sync_file(part)
            os.replace(part, target)
            sync_folder(target.parent)
    except Timeout:
        raise _unavailable(checkpoint, target, "another process is fetching them") from None
    except OSError as error:
        raise _unavailable(checkpoint, target, str(getattr(error, "reason", "") or error)) from None
    return target


def check_named(path: Path) -> None:
    """Refuse a file whose name ends in the first digits of another SHA-256, as torch.hub reads `NAME-08c60483.pth`.

    Raises:
        DamagedWeightsError: with the way out.
    """
    named = _DIGITS.search(path.name)
    if named and not file_digest(path).startswith(named[1]):
        raise DamagedWeightsError(
            f"{path} does not have the SHA-256 that its name gives ({named[1]}...): it is truncated or another file; "
            "get the file again, or take the digits out of its name if you know it to be right"
        )


def check_published(checkpoint: Checkpoint, path: Path) -> None:
    """Refuse a located file that has the official name but not the official content.

    Raises:
        DamagedWeightsError: with the way out.
    """
    if path.name != checkpoint.file_name or not checkpoint.sha256:
        return
    if not file_digest(path).startswith(checkpoint.sha256):
        raise DamagedWeightsError(
            f"{path} does not have the SHA-256 published for {checkpoint.name} ({checkpoint.sha256[:12]}...): it is "
            f"truncated or another file; delete it and run the same command again, or name it with: --weights {path}"
        )


def file_digest(path: Path) -> str:
    """SHA-256 of a weight file; remembered by size and time, since the largest has 4.5 GB."""
    status = path.stat()
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    memory = cache_folder() / "digests.json"
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
        if isinstance(known.get(key), str):
            return str(known[key])
    except (OSError, ValueError, AttributeError):
        known = {}
    digest = sha256_file(path)
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(memory) as temporary:
            temporary.write_text(json.dumps({**known, key: digest}), encoding="utf-8")
    except OSError:
        pass  # a cache that cannot be written only costs time
    return digest


def check_unchanged(path: Path, digest: str) -> None:
    """Compare a weight file that is about to be loaded with the digest that was remembered for it.

    Raises:
        DamagedWeightsError: its bytes have changed, though its size and time have not, or it is gone.
    """
    try:
        found = sha256_file(path)
    except OSError as error:
        raise DamagedWeightsError(
            f"{path} cannot be read as weights ({error.strerror}); put the file there again, or name another with: "
            "--weights FILE"
        ) from None
    if found != digest:
        raise DamagedWeightsError(
            f"{path} has changed since it was first used (its SHA-256 was {digest[:12]}...), so it is damaged; put the "
            "file there again, or name another with: --weights FILE"
        )


def cache_folder() -> Path:
    """The user's folder for what can be had or made again."""
    return user_cache_path("dinosearch", appauthor=False)


def _check_digest(checkpoint: Checkpoint, part: Path, target: Path) -> None:
    if checkpoint.sha256 and sha256_file(part) != checkpoint.sha256:
        part.unlink()
        raise DamagedWeightsError(
            f"what {checkpoint.url} sent does not have the published SHA-256 {checkpoint.sha256[:12]}..., so it was "
            f"deleted; run the same command again, or put {checkpoint.file_name} into {target.parent} yourself"
        )


def _gated(checkpoint: Checkpoint, target: Path) -> WeightsUnavailableError:
    return WeightsUnavailableError(
        f"the weights of {checkpoint.name} are not here, and are given out on request only, under the "
        f"{checkpoint.licence}: ask for them at {checkpoint.page}, then put {checkpoint.file_name} into "
        f"{target.parent}, or name the file with: --weights FILE"
    )


def _unavailable(checkpoint: Checkpoint, target: Path, reason: str) -> WeightsUnavailableError:
    return WeightsUnavailableError(
        f"the weights of {checkpoint.name} are not here and cannot be fetched ({reason}); put {checkpoint.file_name} "
        f"into {target.parent}, from {checkpoint.url}, or use the bundled model with: --model mini"
    )

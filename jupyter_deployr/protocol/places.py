"""Where a server on this machine leaves its address and its generated password, so that its clients find them.

One data directory belongs to at most one running server. The server writes a record of itself into Jupyter's runtime
directory under a name derived from that data directory, and removes it when it ends; a record whose process is gone
counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from jupyter_core.paths import jupyter_data_dir, jupyter_runtime_dir

DEFAULT_PORT = 12800
ADMIN = "admin"


def default_data_dir() -> Path:
    """`DEPLOYR_DATA_DIR`, else `deployr` under Jupyter's data directory."""
    chosen = os.environ.get("DEPLOYR_DATA_DIR")
    return Path(chosen).expanduser() if chosen else Path(jupyter_data_dir()) / "deployr"


def password_file(data_dir: Path) -> Path:
    """Holds the generated admin password, readable by its owner only; absent once a person has set one."""
    return data_dir / "admin-password"


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def remove_drafts(directory: Path) -> None:
    """Remove what a `write_private` that was killed has left in `directory`; when nobody else writes there."""
    for draft in directory.glob(f".*.{'[0-9a-f]' * 8}"):
        draft.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Put `text` into a file that only its owner can read, wholly or not at all."""
    draft = _draft(path)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class ServerRecord:
    """A running server: its base URL, process, package version and data directory.

    `started` is the process's creation time, which tells it from another that got the same pid later.
    """

    url: str
    pid: int
    started: float
    version: str
    data_dir: str

    @property
    def process(self) -> psutil.Process | None:
        """The server's process, or None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            alive = abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        return process if alive else None


def _runtime_file(data_dir: Path, suffix: str) -> Path:
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path(jupyter_runtime_dir()) / f"deployr-{digest}{suffix}"


def _record_path(data_dir: Path) -> Path:
    return _runtime_file(data_dir, ".json")


def start_lock(data_dir: Path) -> Path:
    """The file that whoever starts or stops the server of `data_dir` locks meanwhile. Its folder may not exist yet."""
    return _runtime_file(data_dir, ".lock")


def write_record(data_dir: Path, url: str, version: str) -> None:
    """Announce this process as the server of `data_dir`."""
    path = _record_path(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    me = psutil.Process()
    record = ServerRecord(url, me.pid, me.create_time(), version, str(data_dir.resolve()))
    write_private(path, json.dumps(asdict(record)))


def read_record(data_dir: Path) -> ServerRecord | None:
    """The record of the live server of `data_dir`, or None."""
    try:
        record = ServerRecord(**json.loads(_record_path(data_dir).read_text(encoding="utf-8")))
        return record if record.process is not None else None
    except (OSError, ValueError, TypeError):
        return None


def remove_record(data_dir: Path) -> None:
    """Take back this process's announcement; another server's stays."""
    record = read_record(data_dir)
    if record is not None and record.pid == os.getpid():
        _record_path(data_dir).unlink(missing_ok=True)

"""Content-addressed files: snapshots under the digest of what they hold, each stored once."""

from __future__ import annotations

import errno
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_deployr.protocol.errors import StorageFull


class Blobs:
    """The blobs below one directory. Methods block; call them in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pins: Counter[str] = Counter()
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the blob of that digest lies."""
        return self._directory / digest[:2] / digest[2:]

    def adopt(self, draft: Path) -> tuple[str, int]:
        """Move a finished file in; returns (digest, size). On disk for good when this returns. Raises StorageFull."""
        try:
            with draft.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = os.fstat(file.fileno()).st_size
                os.fsync(file.fileno())
            target = self.path(digest)
            if target.exists():
                draft.unlink()
            else:
                target.parent.mkdir(exist_ok=True)
                draft.chmod(0o400)
                draft.replace(target)
                _sync_directory(target.parent)
                _sync_directory(self._directory)
        except OSError as error:
            draft.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull("The disk is full; nothing was changed.") from None
            raise
        return digest, size

    @contextmanager
    def pinned(self, digest: str | None) -> Iterator[None]:
        """Keep a blob from being collected while it is on its way into the database."""
        if digest is None:
            yield
            return
        self._pins[digest] += 1
        try:
            yield
        finally:
            self._pins[digest] -= 1

    def collect(self, referenced: Iterable[str]) -> int:
        """Remove the blobs that nothing refers to; returns how many."""
        wanted = {*referenced, *(digest for digest, count in self._pins.items() if count)}
        removed = 0
        for path in self._directory.glob("??/*"):
            if path.parent.name + path.name not in wanted:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

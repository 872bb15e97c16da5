"""Content-addressed files: snapshots under the digest of what they hold, each stored once."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from jupyter_deployr.computenode import NotRegular, fail_point, open_regular
from jupyter_deployr.protocol.errors import Unavailable

_log = logging.getLogger(__name__)

_State = tuple[int, int, int, int]

# The server's trouble, not the file's.
_NO_ROOM_TO_OPEN = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class BlobDamaged(Exception):
    """A blob that is missing, or doesn't hold what its digest says; the text ends a sentence: "is damaged"."""


class Blobs:
    """The blobs below one directory. Methods may be called in any thread; all but `path` and `pinned` block."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._pins: Counter[str] = Counter()
        self._pinned_meanwhile: set[str] = set()
        self._verified: dict[str, tuple[_State, bool]] = {}
        self._verifying: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the blob of that digest lies."""
        return self._directory / digest[:2] / digest[2:]

    # ------------------------------------------------------------------------------------------------- coming in

    @contextmanager
    def adopted(self, draft: Path, replacing: Callable[[str], None]) -> Iterator[tuple[str, int]]:
        """Move a finished file in: (digest, size), pinned during the block. On disk for good when the block begins.

        `replacing` is told the digest before the file takes the place of another one of it. Raises OSError,
        Unavailable; the draft is gone then.
        """
        try:
            with os.fdopen(open_regular(draft), "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = os.fstat(file.fileno()).st_size
                os.fsync(file.fileno())
            fail_point("snapshot.hashed")
            with self.pinned(digest):
                replacing(digest)
                self._move_in(draft, digest)
                yield digest, size
        finally:
            draft.unlink(missing_ok=True)

    def _move_in(self, draft: Path, digest: str) -> None:
        target = self.path(digest)
        target.parent.mkdir(exist_ok=True)
        draft.chmod(0o400)
        # Over a file of the same content, which may be damaged; who has that one open keeps it.
        draft.replace(target)
        _sync_directory(target.parent)
        _sync_directory(self._directory)
        self._verified[digest] = _state(target.stat()), True
        fail_point("snapshot.renamed")

    # -------------------------------------------------------------------------------------------------- reading

    def state(self, digest: str) -> object | None:
        """What changes with any write to the file, and when another takes its place; None when there is none."""
        try:
            return _state(self.path(digest).lstat())
        except OSError:
            return None

    def verify(self, digest: str) -> None:
        """Raises BlobDamaged when the file is missing, can't be read or holds something else, Unavailable when no more
        files can be opened.

        Reads each state of a file once.
        """
        with self._verifying[digest]:
            try:
                with os.fdopen(open_regular(self.path(digest)), "rb") as file:
                    intact = self._is_intact(digest, file)
            except FileNotFoundError:
                raise BlobDamaged("is missing") from None
            except NotRegular:
                raise BlobDamaged("is damaged") from None
            except OSError as error:
                if error.errno in _NO_ROOM_TO_OPEN:
                    raise Unavailable("The server can't open more files at the moment; try again.") from None
                _log.warning("the content %s can't be read: %s", digest, error.strerror)
                raise BlobDamaged("can't be read") from None
        if not intact:
            raise BlobDamaged("is damaged")

    def _is_intact(self, digest: str, file: BufferedReader) -> bool:
        state = _state(os.fstat(file.fileno()))
        known = self._verified.get(digest)
        if known is None or known[0] != state:
            known = state, hashlib.file_digest(file, "sha256").hexdigest() == digest
            self._verified[digest] = known
        return known[1]

    # ------------------------------------------------------------------------------------------------- going out

    @contextmanager
    def pinned(self, digest: str | None) -> Iterator[None]:
        """Keep a blob from being collected: while it is on its way into the database, and while something runs on it
        that the database has forgotten."""
        if digest is None:
            yield
            return
        with self._lock:
            self._pins[digest] += 1
            self._pinned_meanwhile.add(digest)
        try:
            yield
        finally:
            with self._lock:
                self._pins[digest] -= 1
                if not self._pins[digest]:
                    del self._pins[digest]

    def collect(self, referenced: Callable[[], Set[str]]) -> None:
        """Remove the blobs that nothing refers to. One collection at a time.

        `referenced` reads what the database refers to, after the pins have been noted: a blob whose row is written
        between the two is pinned during that time.
        """
        with self._lock:
            self._pinned_meanwhile = set(self._pins)
        wanted = referenced()
        for path in self._directory.glob("??/*"):
            digest = path.parent.name + path.name
            if digest in wanted:
                continue
            with self._lock:
                if digest not in self._pinned_meanwhile:
                    fail_point("collect.removing")
                    path.unlink(missing_ok=True)
                    fail_point("collect.removed")
                    self._verified.pop(digest, None)
                    self._verifying.pop(digest, None)


def _state(status: os.stat_result) -> _State:
    """What changes with any write to a file."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

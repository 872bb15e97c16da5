"""The files of a session, reached from outside without trust in what its code has made of its directories.

The code runs as the same account and may put a link, a pipe or a device wherever a file or directory was, at any
moment. So each step starts from a descriptor that was opened before the code ran, follows no link and opens nothing
but regular files.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import unquote

from jupyter_deployr.computenode.regular_files import NotRegular, open_regular
from jupyter_deployr.protocol.characters import shown_name
from jupyter_deployr.protocol.errors import BadRequest, Conflict, NotFound

WORK = "work"
_TRANSFERS = "transfers"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What opening a directory without following links says when there is none.
_GONE_ERRORS = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_MAX_BYTES = 255
# A byte may be shown as `\xe9`.
_MAX_SHOWN_BYTES = 4 * _MAX_BYTES
_MAX_DEPTH = 32
# Names that mean something else than a file on one system or another.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f/\\]|^[A-Za-z]:|[. ]$|^$", re.MULTILINE)
_NOWHERE = frozenset({"", ".", ".."})


def check_file_name(name: str) -> str:
    """A name for a new file: it means one file in one directory, on every system and however often it is
    percent-decoded. Code of the session may give its files others.

    Raises BadRequest.
    """
    if not _is_name(name):
        raise BadRequest(
            f"{_short(name)!r} can't be the name of a file: take one without slashes, control characters, and dots or "
            "spaces at its end, which no system reserves.",
            fields=["fileName"],
        )
    return name


def _is_name(name: str) -> bool:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    if size > _MAX_BYTES or _UNUSABLE.search(name) or _RESERVED.fullmatch(name):
        return False
    decoded = unquote(name)
    return decoded == name or _is_name(decoded)


def _part_of_path(part: str) -> str:
    """A name that leads to one entry of a folder, if it is there. Raises BadRequest."""
    longest = _MAX_SHOWN_BYTES if "\\" in part else _MAX_BYTES
    if part in _NOWHERE or "\0" in part or len(part.encode()) > longest:
        raise BadRequest(f"{_short(part)!r} can't be the name of a file.", fields=["fileName"])
    return part


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:60] + "…"


class SessionFiles:
    """The working directory of a session and a place beside it for what is on its way in or out. All calls block."""

    def __init__(self, home: Path) -> None:
        """`home` is the session's own directory; it must not have run code yet."""
        self._closing = threading.Lock()
        self._path = home
        for name in (WORK, _TRANSFERS):
            (home / name).mkdir(mode=0o700, parents=True)
        self._home: int | None = os.open(home, _DIRECTORY)

    def close(self) -> None:
        """Let go of the descriptor. From then on everything is FileNotFoundError."""
        with self._closing:
            if self._home is not None:
                os.close(self._home)
            self._home = None

    def names(self) -> list[str]:
        """The regular files of the working directory, those in its folders as `folder/name`, in order.

        The names are as they are shown (`shown_name`). Left out is what could not be asked for: links, files of several
        links, pipes and devices.
        """
        with self._opened() as home:
            try:
                with _directory(home, WORK) as work:
                    return sorted(_walk(work, "", _MAX_DEPTH))
            except Conflict:
                return []

    def open(self, name: str) -> BinaryIO:
        """A file of the working directory, by its name as it is shown. Raises BadRequest, NotFound."""
        with self._folder_of(name) as (folder, last):
            return os.fdopen(_open_regular(folder, last), "rb")

    def delete(self, name: str) -> None:
        """Remove a file of the working directory, by its name as it is shown. Raises BadRequest, NotFound."""
        with self._folder_of(name) as (folder, last):
            # As for reading: what isn't listed isn't there.
            os.close(_open_regular(folder, last))
            os.unlink(last, dir_fd=folder)

    def draft(self) -> Draft:
        """A new file outside the working directory."""
        with self._opened() as home, _directory(home, _TRANSFERS) as transfers:
            name = secrets.token_hex(16)
            file = os.fdopen(os.open(name, _NEW, 0o600, dir_fd=transfers), "wb")
        return Draft(self, file, name, self._path / _TRANSFERS / name)

    def handed_over(self) -> Path:
        """A path, not taken yet, for the session to write something for `take` to."""
        return self._path / _TRANSFERS / secrets.token_hex(16)

    def take(self, path: Path) -> BinaryIO:
        """What the session wrote to a path of `handed_over`. It is gone once it is closed. Raises NotFound."""
        with self._opened() as home, _directory(home, _TRANSFERS) as transfers:
            file = os.fdopen(_open_regular(transfers, path.name), "rb")
            os.unlink(path.name, dir_fd=transfers)
        return file

    def discard(self, path: Path) -> None:
        """Remove what there may be at a path of `handed_over`, or of a draft."""
        try:
            with self._opened() as home, _directory(home, _TRANSFERS) as transfers:
                os.unlink(path.name, dir_fd=transfers)
        except (OSError, Conflict):
            return

    def keep(self, draft: str, name: str) -> None:
        """Put a draft into the working directory, over what has that name there. Raises BadRequest, Conflict."""
        check_file_name(name)
        with (
            self._opened() as home,
            _directory(home, _TRANSFERS) as transfers,
            _directory(home, WORK) as work,
        ):
            try:
                os.rename(draft, name, src_dir_fd=transfers, dst_dir_fd=work)
            except IsADirectoryError:
                raise Conflict(f"{name!r} is a folder of the session; take another name.") from None

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """A descriptor of the home of one's own: the session may end meanwhile, and its number go to another file."""
        with self._closing:
            if self._home is None:
                raise FileNotFoundError
            home = os.dup(self._home)
        try:
            yield home
        finally:
            os.close(home)

    @contextmanager
    def _folder_of(self, name: str) -> Iterator[tuple[int, str]]:
        """The folder that a file of the working directory lies in, and its name there. Raises BadRequest, NotFound."""
        *folders, last = [_part_of_path(part) for part in name.split("/")]
        if len(folders) > _MAX_DEPTH:
            raise BadRequest(f"Files lie at most {_MAX_DEPTH} folders deep.", fields=["fileName"])
        with self._opened() as folder:
            try:
                for part in (WORK, *folders):
                    inner = os.open(_entry(folder, part), _DIRECTORY, dir_fd=folder)
                    os.dup2(inner, folder, inheritable=False)
                    os.close(inner)
                yield folder, _entry(folder, last)
            except OSError as error:
                if error.errno in _GONE_ERRORS:
                    raise _no_file() from None
                raise


class Draft:
    """A file that becomes one of the working directory's, or an object of the workspace, once it is complete."""

    def __init__(self, files: SessionFiles, file: BinaryIO, name: str, path: Path) -> None:
        self._files = files
        self._file = file
        self._name = name
        self.path = path

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        """Append `data`. Raises OSError when the disk is full."""
        self._file.write(data)

    def complete(self) -> None:
        """Nothing more will be written. Raises OSError when the disk is full."""
        self._file.close()

    def keep_as(self, name: str) -> None:
        """Complete it, as a file of the working directory. Raises BadRequest, Conflict, OSError."""
        self.complete()
        self._files.keep(self._name, name)

    def discard(self) -> None:
        """Remove it, if it is still there."""
        # What waits to be written may have no room; it goes anyway.
        with suppress(OSError):
            self._file.close()
        self._files.discard(self.path)


def _no_file() -> NotFound:
    return NotFound("The session has no file of that name.")


@contextmanager
def _directory(parent: int, name: str) -> Iterator[int]:
    """A directory in a directory. Raises Conflict when it is none any more."""
    try:
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno not in _GONE_ERRORS:
            raise
        raise Conflict("Code of the session has removed or replaced its directory.") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_file(status: os.stat_result) -> bool:
    # One of several links may lead to another's file.
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _open_regular(folder: int, name: str) -> int:
    """Raises NotFound unless it is a regular file of one link."""
    try:
        descriptor = open_regular(name, folder)
    except NotRegular:
        raise _no_file() from None
    if not _is_file(os.fstat(descriptor)):
        os.close(descriptor)
        raise _no_file()
    return descriptor


def _entry(folder: int, shown: str) -> str:
    """What an entry of the folder that is shown so is called; the name itself if there is none."""
    if "\\" not in shown:
        return shown
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if shown_name(entry.name) == shown]
    return shown if shown in names or not names else names[0]


def _walk(folder: int, prefix: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        shown = prefix + shown_name(entry.name)
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth and entry.name != "__pycache__":
                    inner = os.open(entry.name, _DIRECTORY, dir_fd=folder)
                    try:
                        yield from _walk(inner, f"{shown}/", depth - 1)
                    finally:
                        os.close(inner)
            elif _is_file(os.stat(entry.name, dir_fd=folder, follow_symlinks=False)):
                yield shown
        except OSError:
            # Removed or replaced meanwhile.
            continue

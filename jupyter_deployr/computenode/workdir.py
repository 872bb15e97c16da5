"""A worker's private working directory: watched, so that a call which writes no file costs one system call."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import sys
import termios
from pathlib import Path

_IN_MODIFY, _IN_ATTRIB, _IN_CLOSE_WRITE, _IN_MOVED, _IN_CREATE, _IN_DELETE = 0x2, 0x4, 0x8, 0xC0, 0x100, 0x200
_WATCHED = _IN_MODIFY | _IN_ATTRIB | _IN_CLOSE_WRITE | _IN_MOVED | _IN_CREATE | _IN_DELETE

_State = dict[str, tuple[int, ...]]


def file_states(directory: Path) -> _State:
    """Relative path → (inode, size, modification time in ns) of every file below `directory`."""
    states: _State = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - on every call that touched a file
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                continue
            states[os.path.relpath(path, directory)] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return states


def _entries(directory: Path) -> _State:
    """Path → what changes with any change to it, of `directory` and every file and folder below it.

    The time of the last change tells of modes, attributes and of contents whose modification time was put back.
    """
    entries: _State = {}
    for folder, folders, names in os.walk(directory):
        for path in (folder, *(os.path.join(folder, name) for name in (*folders, *names))):  # noqa: PTH118
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                entries[path] = (status.st_ino, status.st_mode, status.st_size, status.st_ctime_ns)
    return entries


def changed_files(before: _State, after: _State) -> list[str]:
    """Names of the files that are new or different in `after`."""
    return sorted(name for name, state in after.items() if before.get(name) != state)


class WorkingDirectory:
    """The current directory of a worker, put back to what it was after a call that touched it."""

    def __init__(self, directory: Path, pristine: Path, *, watched: bool = True) -> None:
        """`pristine` is a directory of its own that keeps a copy of what `directory` holds now.

        Without being `watched`, it is scanned at each look: where several processes look, a notice reaches only one.
        """
        self._watched = watched
        self._waiting = bytearray(4)
        self.path = directory
        self._pristine = pristine
        shutil.copytree(directory, pristine, symlinks=True, dirs_exist_ok=True)
        self._watch()

    def _watch(self) -> None:
        self._notices = _inotify(self.path) if self._watched else None
        self._before = file_states(self.path)
        self._entries = _entries(self.path) if self._notices is None else {}
        self._inode = os.lstat(self.path).st_ino

    def touched(self) -> bool:
        """Whether anything in the directory changed since the last look."""
        if self._notices is None:
            return not self.in_place() or _entries(self.path) != self._entries
        # How many bytes of notices wait; they are dropped with the watch when the directory is reset.
        fcntl.ioctl(self._notices, termios.FIONREAD, self._waiting)
        return any(self._waiting)

    def in_place(self) -> bool:
        """Whether the directory is still the one that it was, and not moved, removed or replaced by a link."""
        try:
            return os.lstat(self.path).st_ino == self._inode
        except FileNotFoundError:
            return False

    def changes(self) -> list[str]:
        """Names of files made or changed since the directory was last as it should be."""
        return changed_files(self._before, file_states(self.path))

    def reset(self) -> None:
        """Make the directory what it was, by replacing its contents from the pristine copy."""
        if not self.in_place():
            # What a call has put there instead may be somebody else's: it is not to be emptied.
            if self.path.is_dir() and not self.path.is_symlink():
                shutil.rmtree(self.path)
            else:
                self.path.unlink(missing_ok=True)
            self.path.mkdir()
            os.chdir(self.path)
        for entry in os.scandir(self.path):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)
        shutil.copytree(self._pristine, self.path, symlinks=True, dirs_exist_ok=True)
        self._drop_new_attributes()
        if self._notices is not None:
            os.close(self._notices)
        self._watch()

    def _drop_new_attributes(self) -> None:
        """Remove the directory's own extended attributes that it didn't have."""
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                for name in set(os.listxattr(self.path)) - set(os.listxattr(self._pristine)):
                    os.removexattr(self.path, name)


def _inotify(directory: Path) -> int | None:
    """A descriptor that becomes readable when something below `directory` changes; None where there is no inotify."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    notices: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if notices < 0:
        return None
    for folder, _, _ in os.walk(directory):
        if libc.inotify_add_watch(notices, os.fsencode(folder), _WATCHED) < 0:
            os.close(notices)
            return None
    return notices

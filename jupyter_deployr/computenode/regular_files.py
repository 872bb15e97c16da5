"""Opening files at paths where other code may have put a link, a pipe or a device instead."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

# Opening a pipe would wait for somebody to write to it.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class NotRegular(OSError):
    """There is something, and it isn't a regular file."""

    def __init__(self) -> None:
        super().__init__(errno.EINVAL, "it is no regular file")


def open_regular(path: Path | str, folder: int | None = None) -> int:
    """A descriptor to read that regular file with; `path` is relative to the directory open as `folder`.

    Raises NotRegular, FileNotFoundError, other OSErrors.
    """
    # To open a device may do something, so it is looked at before; and after, because it may have been replaced.
    if not stat.S_ISREG(os.stat(path, dir_fd=folder, follow_symlinks=False).st_mode):
        raise NotRegular
    try:
        descriptor = os.open(path, _FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotRegular from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular
    return descriptor

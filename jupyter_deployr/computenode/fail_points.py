"""Points at which a test can have a process die, or its disk be full: one at each step that must not be half done.

`DEPLOYR_FAIL_AT=publish.before_commit` kills the process that comes by there. With `:full` behind the name, the disk
has no space left there, once. Several are separated by commas. Other points do nothing.
"""

from __future__ import annotations

import errno
import os
import signal

_named = dict(entry.partition(":")[::2] for entry in os.environ.get("DEPLOYR_FAIL_AT", "").split(","))


def fail_point(name: str) -> None:
    """A step of that name has been reached. Raises OSError (ENOSPC) where a full disk is asked for."""
    how = _named.pop(name, None)
    if how is None:
        return
    if how == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), signal.SIGKILL)

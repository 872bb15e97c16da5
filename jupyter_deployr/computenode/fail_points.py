"""Points at which a test can have a process die, or its disk be full: one at each step that must not be half done.

`DEPLOYR_FAIL_AT=publish.before_commit` kills the process that comes by there. With `:full` behind the name, the disk
has no space left there, once. Other points do nothing.
"""

from __future__ import annotations

import errno
import os
import signal

_point, _, _how = os.environ.get("DEPLOYR_FAIL_AT", "").partition(":")


def fail_point(name: str) -> None:
    """A step of that name has been reached. Raises OSError (ENOSPC) where a full disk is asked for."""
    global _point
    if name != _point:
        return
    if _how == "full":
        _point = ""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), signal.SIGKILL)

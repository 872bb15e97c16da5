"""A snapshot loaded on trial, by a process that is forked for it: does everything in it come back?

An object can be pickled and yet not be unpickled: its class decides. Each line on the channel is a JSON object: `at`,
the name that is being loaded from now on; `failed` with the `reason`; `leftOut`, whether large files were not written;
`fault` with the `errno`, when it could not be tried. `done` comes last.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_deployr.computenode.loading import NamesReader
from jupyter_deployr.computenode.service import error_message
from jupyter_deployr.computenode.snapshot import Snapshot
from jupyter_deployr.computenode.worker import give_way, reseed

# Hardly an object reads a file when it is loaded, and a module is small.
_SMALL = 1024 * 1024
_LONGEST_REASON = 300
# As they are before the snapshot puts anything of the session's in their place.
_dumps, _send = json.dumps, socket.socket.sendall


def run(channel: socket.socket, arguments: Mapping[str, Any]) -> None:
    """What a fork for a trial runs: load `snapshot` in `directory`, with `all_files` or the small ones."""
    reseed()
    give_way()
    _be_ended_first()
    sys.path.insert(0, "")
    sys.dont_write_bytecode = True
    try:
        _try(channel, Snapshot(Path(arguments["snapshot"])), Path(arguments["directory"]), arguments["all_files"])
        _say(channel, done=True)
    except OSError as error:
        _say(channel, fault=str(error), errno=error.errno)
    os._exit(0)


def _be_ended_first() -> None:
    """When memory runs out, this is what can be done without."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _try(channel: socket.socket, snapshot: Snapshot, directory: Path, all_files: bool) -> None:
    if all_files:
        snapshot.write_files(directory)
    else:
        snapshot.write_files(directory, at_most=_SMALL)
        _say(channel, leftOut=any(saved.length > _SMALL for saved in snapshot.files))
    if not snapshot.entries:
        return
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    workspace = vars(module)
    workspace["__builtins__"] = __builtins__
    reader = NamesReader(snapshot.path, snapshot.entries, workspace)
    for number, saved in enumerate(snapshot.entries):
        _say(channel, at=saved.name)
        try:
            snapshot.restore(reader, number, workspace)
        except BaseException as error:
            if not reader.wants_absent(number):
                _say(channel, failed=saved.name, reason=_reason(error))
            if not reader.pass_over(number):
                return


def _reason(error: BaseException) -> str:
    text = error_message(error).splitlines()[0][:_LONGEST_REASON]
    return f"it was saved but can't be loaded again: {text}"


def _say(channel: socket.socket, **what: Any) -> None:
    _send(channel, _dumps(what).encode() + b"\n")

"""A snapshot as a zip for other programs: `workspace.dill`, `manifest.json`, and the files below `files/`.

Written by a process of its own, forked for it: the objects have to be loaded to be written in another form. It sends a
line of JSON that says whether it can be done, then the zip in pieces.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import types
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO

import dill

from jupyter_deployr.computenode.pieces import PIECE, PiecesFile
from jupyter_deployr.computenode.snapshot import Snapshot, SnapshotError
from jupyter_deployr.computenode.worker import give_way
from jupyter_deployr.protocol.characters import shown_name, whole_texts

_NO_TIME = (1980, 1, 1, 0, 0, 0)
_README = "Load it with Python {python}: `dill.load(open('workspace.dill', 'rb'))` gives a dict of names and values."


def run(channel: socket.socket, arguments: Mapping[str, Any]) -> None:
    """What a fork for an archive runs: load `snapshot`, and write it to the channel."""
    give_way()
    sys.path.insert(0, "")
    code = 1
    try:
        try:
            snapshot = Snapshot(Path(arguments["snapshot"]))
            workspace, left_out = _load(snapshot, Path(arguments["directory"]))
        except SnapshotError as error:
            _say(channel, status="refused", reason=str(error))
        except OSError as error:
            _say(channel, status="error", reason=str(error), errno=error.errno)
        else:
            _say(channel, status="ok")
            pieces = PiecesFile(channel)
            with io.BufferedWriter(pieces, PIECE) as archive:
                _write(archive, snapshot, workspace, left_out)
            pieces.end()
        code = 0
    finally:
        # Whatever it was, nothing may come behind the pieces.
        os._exit(code)


def _say(channel: socket.socket, **what: Any) -> None:
    channel.sendall(json.dumps(what).encode() + b"\n")


def _load(snapshot: Snapshot, directory: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The objects that dill can write, and why it can't write the others. Raises SnapshotError, OSError."""
    snapshot.check_python()
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    # Where it looks for names of `__main__`, which it would otherwise leave out.
    dill._dill._main_module = module
    snapshot.write_files(directory)
    snapshot.load_into(vars(module))
    workspace = {saved.name: vars(module)[saved.name] for saved in snapshot.names}
    left_out = _undillable(workspace)
    for name in left_out:
        del workspace[name]
    return workspace, left_out


def _write(archive: BinaryIO, snapshot: Snapshot, workspace: dict[str, Any], left_out: dict[str, str]) -> None:
    manifest = {
        **snapshot.manifest,
        "names": [shown_name(name) for name in workspace],
        "notInWorkspace": {shown_name(name): reason for name, reason in left_out.items()},
        "notKept": [[item.name, item.type, item.reason] for item in snapshot.not_kept],
        "howToLoad": _README.format(python=snapshot.manifest["python"]),
    }
    # Not compressed: arrays of numbers hardly shrink, and would keep people waiting. But deflated in form, because some
    # programs read nothing else whose size stands behind it.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=0) as target:
        target.writestr("manifest.json", json.dumps(whole_texts(manifest), indent=2))
        with target.open("workspace.dill", "w", force_zip64=True) as file:
            _dump(workspace, file)
        for folder in snapshot.folders:
            target.writestr(zipfile.ZipInfo(f"files/{shown_name(folder)}/", _NO_TIME), b"")
        for saved, pieces in snapshot.read_files():
            entry = zipfile.ZipInfo(f"files/{shown_name(saved.path)}", _NO_TIME)
            entry.external_attr = saved.mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            with target.open(entry, "w", force_zip64=True) as file:
                file.writelines(pieces)


def _undillable(workspace: dict[str, Any]) -> dict[str, str]:
    """Name → reason of what dill can't write."""
    try:
        _dump(workspace, _Nowhere())
    except Exception:
        return {name: reason for name, value in workspace.items() if (reason := _refusal(value))}
    return {}


def _refusal(value: Any) -> str | None:
    try:
        _dump(value, _Nowhere())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _dump(value: Any, file: IO[bytes] | _Nowhere) -> None:
    # With `recurse` a function takes the globals along that it uses, and no others.
    dill.dump(value, file, protocol=5, recurse=True)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes

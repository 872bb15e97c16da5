"""A snapshot as a zip for other programs: `workspace.dill`, `manifest.json`, and the files below `files/`.

Written by a process of its own, forked for it: the objects have to be loaded to be written in another form.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import types
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import dill

from jupyter_deployr.computenode.snapshot import Snapshot, SnapshotError
from jupyter_deployr.computenode.worker import give_way

_NO_TIME = (1980, 1, 1, 0, 0, 0)
_README = "Load it with Python {python}: `dill.load(open('workspace.dill', 'rb'))` gives a dict of names and values."


def run(channel: socket.socket, arguments: Mapping[str, Any]) -> None:
    """What a fork for an archive runs: write `snapshot` to `archive`, and say on the channel how it went."""
    give_way()
    sys.path.insert(0, "")
    archive = Path(arguments["archive"])
    try:
        _write(archive, Snapshot(Path(arguments["snapshot"])), Path(arguments["directory"]))
        said: dict[str, Any] = {"status": "ok"}
    except SnapshotError as error:
        said = {"status": "refused", "reason": str(error)}
    except OSError as error:
        said = {"status": "error", "reason": str(error), "errno": error.errno}
    channel.sendall(json.dumps(said).encode())
    os._exit(0)


def _write(archive: Path, snapshot: Snapshot, directory: Path) -> None:
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
    manifest = {
        **snapshot.manifest,
        "names": list(workspace),
        "notInWorkspace": left_out,
        "notKept": [[item.name, item.type, item.reason] for item in snapshot.not_kept],
        "howToLoad": _README.format(python=snapshot.manifest["python"]),
    }
    # Stored as it is: arrays of numbers hardly shrink, and would keep people waiting.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        target.writestr("manifest.json", json.dumps(manifest, indent=2))
        with target.open("workspace.dill", "w", force_zip64=True) as file:
            _dump(workspace, file)
        for folder in snapshot.folders:
            target.writestr(zipfile.ZipInfo(f"files/{folder}/", _NO_TIME), b"")
        for saved, pieces in snapshot.read_files():
            entry = zipfile.ZipInfo(f"files/{saved.path}", _NO_TIME)
            entry.external_attr = saved.mode << 16
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

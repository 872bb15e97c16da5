"""Files of this machine that are downloaded to or uploaded from."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from jupyter_deployr.protocol.errors import BadRequest


def target_path(to: str | os.PathLike[str], name: str) -> Path:
    """Where the server's file `name` goes: to `to`, or if that is a folder, into it. Raises BadRequest."""
    target = Path(to).expanduser()
    if not target.is_dir():
        return target
    last = PurePosixPath(name.replace("\\", "/")).name
    if last in ("", ".", ".."):
        raise BadRequest(f"{name!r} can't be the name of a file here; name the file to write.")
    return target / last


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is at `path` after the block; after an error there, what was at `path` still is."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            yield file
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise

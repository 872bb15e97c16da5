"""Has a snapshot written as an archive, by a process that is forked for it."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import socket
from pathlib import Path

from jupyter_deployr.computenode.forking import ForkServer, describe_exit
from jupyter_deployr.protocol.errors import BadRequest, ServerFault, StorageFull, TimedOut, WorkerLost

_TIMEOUT_SECONDS = 3600
_MAX_ANSWER = 64 * 1024


async def export(zygote: ForkServer, snapshot: Path, archive: Path) -> Path:
    """Write `snapshot` as a zip to `archive`, and return that.

    Raises BadRequest when it can't be loaded here, StorageFull, WorkerLost, TimedOut, Unavailable.
    """
    directory = archive.with_name(f"{archive.name}-files")
    try:
        await asyncio.to_thread(directory.mkdir)
        await _write(zygote, {"snapshot": str(snapshot), "archive": str(archive), "directory": str(directory)})
    except BaseException:
        await asyncio.to_thread(archive.unlink, missing_ok=True)
        raise
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
    return archive


async def _write(zygote: ForkServer, arguments: dict[str, str]) -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours:
        process = await zygote.fork("archive", arguments, theirs)
        saying = loop.create_task(loop.sock_recv(ours, _MAX_ANSWER))
        try:
            # What it started may outlive it and hold the channel open.
            await asyncio.wait((saying, process.ended), timeout=_TIMEOUT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not saying.done() and not process.ended.done():
                raise TimedOut(f"Writing the archive took longer than {_TIMEOUT_SECONDS} s.")
            said = saying.result() if saying.done() else b""
        finally:
            saying.cancel()
            process.kill()
    if not said.startswith(b"{"):
        how = describe_exit(await asyncio.shield(process.ended))
        raise WorkerLost(f"The process that wrote the archive ended ({how}).")
    answer = json.loads(said)
    if answer["status"] == "refused":
        raise BadRequest(answer["reason"])
    if answer["status"] == "error":
        if answer["errno"] in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("The disk is full: the archive could not be written.")
        raise ServerFault(f"The archive could not be written: {answer['reason']}.")

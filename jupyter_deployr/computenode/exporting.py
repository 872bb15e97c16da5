"""Has a snapshot written as an archive, by a process that is forked for it, and hands on what it writes meanwhile."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from jupyter_deployr.computenode.forking import ForkedProcess, ForkServer, describe_exit
from jupyter_deployr.computenode.pieces import LENGTH, PIECE
from jupyter_deployr.protocol.errors import BadRequest, DeployRError, ServerFault, StorageFull, TimedOut, WorkerLost

_PREPARING_SECONDS = 3600
_PIECE_SECONDS = 600
# So long a client may take for a piece; the process waits for it with all that it has loaded.
_TAKING_SECONDS = 300
# What was written before the end of the process may be read after it.
_LAST_PIECE_SECONDS = 5

T = TypeVar("T")


@asynccontextmanager
async def exported(zygote: ForkServer, snapshot: Path, directory: Path) -> AsyncIterator[AsyncIterator[bytes]]:
    """The pieces of `snapshot` as a zip, to be taken within the block. None of it is put on the disk but the snapshot's
    own files, below `directory`, which is not there yet.

    Raises BadRequest when it can't be loaded here, StorageFull, WorkerLost, TimedOut, Unavailable. The pieces raise
    WorkerLost and TimedOut when they break off.
    """
    ours, theirs = socket.socketpair()
    try:
        await asyncio.to_thread(directory.mkdir)
        arguments = {"snapshot": str(snapshot), "directory": str(directory)}
        process = await zygote.fork("archive", arguments, theirs)
        try:
            reader, writer = await asyncio.open_connection(sock=ours, limit=PIECE)
            try:
                archive = _Archive(reader, process)
                await archive.prepared()
                async with aclosing(archive.pieces()) as pieces:
                    yield pieces
            finally:
                writer.close()
        finally:
            process.kill()
    finally:
        ours.close()
        theirs.close()
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


class _Archive:
    """What the process that writes an archive sends."""

    def __init__(self, reader: asyncio.StreamReader, process: ForkedProcess) -> None:
        self._reader = reader
        self._process = process

    async def prepared(self) -> None:
        """Everything is loaded, and can be written."""
        try:
            answer = json.loads(await self._sent(self._reader.readline(), _PREPARING_SECONDS))
        except ValueError:
            raise await self._lost() from None
        match answer:
            case {"status": "ok"}:
                return
            case {"status": "refused", "reason": str(reason)}:
                raise BadRequest(reason)
            case {"status": "error", "errno": errno.ENOSPC | errno.EDQUOT}:
                raise StorageFull("The disk is full: the files of the snapshot need some space for a moment.")
        raise ServerFault(f"The archive could not be written: {answer}.")

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The archive, of which nothing is kept back for who doesn't take it."""
        while True:
            (length,) = LENGTH.unpack(await self._sent(self._reader.readexactly(LENGTH.size), _PIECE_SECONDS))
            if length > PIECE:
                raise await self._lost()
            if not length:
                return
            piece = await self._sent(self._reader.readexactly(length), _PIECE_SECONDS)
            impatience = asyncio.get_running_loop().call_later(_TAKING_SECONDS, self._process.kill)
            try:
                yield piece
            finally:
                impatience.cancel()

    async def _sent(self, reading: Coroutine[Any, Any, T], seconds: float) -> T:
        """What `reading` comes to. Raises TimedOut, WorkerLost."""
        sent = asyncio.ensure_future(reading)
        try:
            # What the process has started may outlive it and hold the channel open.
            await asyncio.wait((sent, self._process.ended), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not sent.done() and self._process.ended.done():
                await asyncio.wait((sent,), timeout=_LAST_PIECE_SECONDS)
                if not sent.done():
                    raise await self._lost()
            if not sent.done():
                raise TimedOut(f"Writing the archive took longer than {seconds} s.")
            return sent.result()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._lost() from None
        finally:
            sent.cancel()

    async def _lost(self) -> DeployRError:
        self._process.kill()
        how = describe_exit(await asyncio.shield(self._process.ended))
        return WorkerLost(f"The process that wrote the archive ended ({how}).")

"""Has snapshots loaded on trial before they count, so that none is acknowledged that can't be loaded."""

from __future__ import annotations

import asyncio
import errno
import json
import secrets
import shutil
import socket
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_deployr.computenode.forking import ForkedProcess, ForkServer, describe_exit
from jupyter_deployr.protocol.errors import Conflict, ServerFault, StorageFull, Unavailable

_CHUNK = 64 * 1024
_LONGEST_LINE = 1024 * 1024
# What was said before the end may be told after it.
_LAST_WORDS_SECONDS = 0.1


class Trials:
    """Loads snapshots on trial, one at a time."""

    def __init__(self, zygote: ForkServer, seconds: float) -> None:
        """`seconds` is how long one object may take to load."""
        self._zygote = zygote
        self._seconds = seconds
        self._running: asyncio.Task[dict[str, str]] | None = None

    async def unloadable(self, snapshot: Path) -> dict[str, str]:
        """The names of a snapshot that can't be loaded, with the reasons; without them, others may show.

        Raises Conflict when interrupted, StorageFull, Unavailable, ServerFault.
        """
        trial = self._running = asyncio.create_task(self._unloadable(snapshot))
        try:
            await asyncio.wait((trial,))
            if trial.cancelled():
                raise Conflict("The snapshot was interrupted; nothing was saved.")
            return trial.result()
        finally:
            self._running = None
            trial.cancel()

    def interrupt(self) -> bool:
        """End the trial that is under way; False when none is."""
        return self._running is not None and self._running.cancel()

    async def _unloadable(self, snapshot: Path) -> dict[str, str]:
        trial = _Trial(self._zygote, snapshot, self._seconds)
        found = await trial.run(all_files=False)
        if found and trial.left_out:
            # It may be a file that they miss.
            found = await trial.run(all_files=True)
        return found


class _Trial:
    """The processes that load one snapshot."""

    def __init__(self, zygote: ForkServer, snapshot: Path, seconds: float) -> None:
        self._zygote = zygote
        self._snapshot = snapshot
        self._seconds = seconds
        self.left_out = False

    async def run(self, *, all_files: bool) -> dict[str, str]:
        """The names that fail, with the reasons. `left_out` says afterwards whether files were left out."""
        # The directory of a trial before may still be on its way out.
        directory = self._snapshot.with_name(f"trial-{secrets.token_hex(8)}")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            directory.mkdir()
            arguments = {"snapshot": str(self._snapshot), "directory": str(directory), "all_files": all_files}
            process = await self._zygote.fork("trial", arguments, theirs)
            try:
                return await self._heard(ours, process)
            finally:
                process.kill()
                # Nobody waits for its end, which takes as long as its beginning.
                process.ended.add_done_callback(lambda _: _remove(directory))
        except BaseException:
            _remove(directory)
            raise
        finally:
            ours.close()

    async def _heard(self, channel: socket.socket, process: ForkedProcess) -> dict[str, str]:
        failed: dict[str, str] = {}
        at: str | None = None
        ear = _Ear(channel, process)
        while True:
            try:
                # Writing files takes as long as they are large, and is no code of the session's.
                said = await asyncio.wait_for(ear.next(), None if at is None else self._seconds)
            except TimeoutError:
                how = f"takes longer than {self._seconds:g} s"
                break
            match said:
                case {"at": str(name)}:
                    at = name
                case {"failed": str(name), "reason": str(reason)}:
                    failed[name] = reason
                case {"leftOut": bool(left_out)}:
                    self.left_out = left_out
                case {"fault": str(fault), "errno": number}:
                    raise _fault(fault, number)
                case {"done": True}:
                    return failed
                case _:
                    how = f"ends the process that does it ({describe_exit(await asyncio.shield(process.ended))})"
                    break
        if process.orphaned:
            raise Unavailable("The compute node's fork server ended; nothing was saved. Try again.")
        if at is None:
            raise ServerFault(f"The snapshot was not saved: loading it on trial {how}.")
        return failed | {at: f"it was saved but can't be loaded again: loading it {how}"}


class _Ear:
    """Hears what a trial says, one object after the other."""

    def __init__(self, channel: socket.socket, process: ForkedProcess) -> None:
        self._channel = channel
        self._process = process
        self._received = b""

    async def next(self) -> Any:
        """The next object; None when there is none, or nothing that can be understood."""
        while b"\n" not in self._received:
            data = await self._more()
            self._received += data
            if not data or len(self._received) > _LONGEST_LINE:
                self._process.kill()
                return None
        line, _, self._received = self._received.partition(b"\n")
        try:
            return json.loads(line)
        except ValueError:
            self._process.kill()
            return None

    async def _more(self) -> bytes:
        hearing = asyncio.ensure_future(asyncio.get_running_loop().sock_recv(self._channel, _CHUNK))
        try:
            # What the process has started may outlive it and hold the channel open.
            await asyncio.wait((hearing, self._process.ended), return_when=asyncio.FIRST_COMPLETED)
            if not hearing.done():
                await asyncio.wait((hearing,), timeout=_LAST_WORDS_SECONDS)
            return hearing.result() if hearing.done() else b""
        finally:
            hearing.cancel()


def _remove(directory: Path) -> None:
    """In a thread, and whoever comes after it doesn't wait."""
    asyncio.get_running_loop().run_in_executor(None, partial(shutil.rmtree, directory, ignore_errors=True))


def _fault(reason: str, number: object) -> ServerFault | StorageFull:
    if number in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("The disk is full: the snapshot was not saved.")
    return ServerFault(f"The snapshot was not saved: it could not be loaded on trial: {reason}.")
